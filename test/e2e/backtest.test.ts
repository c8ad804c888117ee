import { readFileSync } from 'node:fs'
import type { BacktestSummary, ReleaseBacktest } from '../../src/store/backtests'
import type { Decision, ReleaseRecord } from '../../src/store/releases'
import { type CliGround, cliGround } from '../support/cli-ground'
import { sendTraffic } from '../support/release-traffic'
import { until } from '../support/until'

const steps = [
  { basisPoints: 2_500, bakeMs: 500, minimumSample: 20 },
  { basisPoints: 5_000, bakeMs: 500, minimumSample: 40 },
]
const errorRate = (margin: number, role: 'rollback' | 'notify' = 'rollback') => ({
  guardrails: [{ metric: 'error_rate', role, margin, noEvidence: 'extend' as const }],
})

describe('a backtest of real releases', () => {
  let ground: CliGround
  /** Taken back by its guardrail; and one that went through with errors its policy tolerated. */
  let spiked: ReleaseRecord
  let tolerated: ReleaseRecord
  beforeAll(async () => {
    ground = await cliGround()
    await ground.settleFirst()
    const ramp = { pilot: undefined as never, steps }
    const watchful = await ground.policy('watchful', { ...ramp, ...errorRate(0.25) })
    const tolerant = await ground.policy('tolerant', { ...ramp, ...errorRate(100) })
    await ground.policy('strict', { ...ramp, ...errorRate(0.1) })
    await ground.policy('blind', { ...ramp, ...errorRate(0.25, 'notify') })
    await ground.policy('patient', { pilot: undefined as never, ...errorRate(100), steps: patientSteps })
    spiked = await released('1.1.0', watchful, (index) => index % 2 === 0)
    await ground.lift()
    tolerated = await released('1.2.0', tolerant, (index) => index % 3 === 0)
  })
  afterAll(() => ground.end())

  const patientSteps = steps.map((step) => ({ ...step, minimumSample: 100_000 }))

  /** Traffic in both steps until it ends, where so many conversations of the candidate see an error. */
  async function released(prompt: string, policy: string, fails: (index: number) => boolean): Promise<ReleaseRecord> {
    const { id } = await ground.start(ground.request(prompt, policy))
    const ended = async () => (await ground.store.releases.get(id)).endedAt !== undefined
    await until('the release has ended', async () => {
      const { candidate } = await ground.store.releases.get(id)
      await sendTraffic(ground.store, {
        task: ground.task,
        conversations: 40,
        fails: (composite, index) => composite === candidate && fails(index),
      })
      return ended()
    })
    return ground.store.releases.get(id)
  }

  const backtest = (policy: string, release: string) =>
    ground.json<ReleaseBacktest>('backtest', policy, '--release', release)

  test('the releases went as their own policies wanted', () => {
    expect([spiked.phase, tolerated.phase]).toEqual(['rolled_back', 'done'])
  })

  test('every recorded decision, put to the policy that made it, gives the same action and the same verdicts', async () => {
    for (const [policy, { id }] of [
      ['watchful@1.0.0', spiked],
      ['tolerant@1.0.0', tolerated],
    ] as const) {
      const found = await backtest(policy, id)
      expect(found.hadPolicy).toBe(found.policy)
      expect(found.outcome).toBe('same')
      expect(found.looks.length).toBeGreaterThan(1)
      for (const { did, would, refused } of found.looks) {
        expect(would).toMatchObject(JSON.parse(JSON.stringify(did)))
        expect(refused).toBe(false)
      }
      expect(found.notRecorded).toEqual([])
    }
  })

  test('looks lie between the decisions, with the step that was in force', async () => {
    const { looks } = await backtest('tolerant@1.0.0', tolerated.id)
    expect(new Set(looks.map(({ kind }) => kind))).toEqual(new Set(['assessment', 'advance', 'settle']))
    expect(new Set(looks.map(({ step }) => step ?? 'none'))).toEqual(new Set(['none', 'rollout-1', 'rollout-2']))
    const seqs = (await ground.store.releases.decisions(tolerated.id)).map(({ seq }) => seq)
    expect(seqs).toEqual(seqs.map((_, index) => index + 1))
  })

  test('a stricter policy would have rolled back what went through, at a look that it names', async () => {
    const found = await backtest('strict@1.0.0', tolerated.id)
    expect(found.outcome).toBe('would_have_rolled_back')
    const { firstRollback } = found
    expect(firstRollback?.reasons.join()).toContain('error rate')
    expect(firstRollback?.after).toBeLessThanOrEqual(firstRollback?.at ?? 0)
    const { out, code } = await ground.sluice('backtest', 'strict@1.0.0', '--release', tolerated.id)
    expect(code).toBe(0)
    expect(out).toContain('would have been rolled back, and was not')
    expect(out).toMatch(/error_rate: (no evidence|pass) \(.*\) → fail \(worse than incumbent\)/)
    expect(out).toContain('who told was not recorded')
  })

  test('a milder one would not have rolled back by the end of the evidence', async () => {
    expect((await backtest('blind@1.0.0', spiked.id)).outcome).toBe('would_not_have_rolled_back')
  })

  test('a larger sample would have held every step', async () => {
    const found = await backtest('patient@1.0.0', tolerated.id)
    expect(found.outcome).toBe('would_have_waited')
    expect(found.refused.map(({ reasons }) => reasons)).toEqual([['below_minimum_sample'], ['below_minimum_sample']])
  })

  test('a task is a line a release, with what would have gone otherwise', async () => {
    const { items } = await ground.json<{ items: readonly BacktestSummary[] }>(
      ...['backtest', 'strict@1.0.0', '--task', ground.task],
    )
    expect(items.map(({ release, outcome }) => [release, outcome]).slice(0, 2)).toEqual([
      [tolerated.id, 'would_have_rolled_back'],
      [spiked.id, 'same'],
    ])
    const { out } = await ground.sluice('backtest', 'blind@1.0.0', '--task', ground.task)
    expect(out).toContain('3 releases: 0 would have been rolled back that were not, 1 were rolled back that would not')
    const one = await ground.json<{ items: readonly unknown[] }>(
      ...['backtest', 'blind@1.0.0', '--task', ground.task, '--last', '1'],
    )
    expect(one.items).toHaveLength(1)
  })

  test('show and watch tell decisions, not looks', async () => {
    const { out } = await ground.sluice('release', 'show', tolerated.id)
    expect(out).toContain('rollout-2 in production')
    expect(out).not.toContain('the evidence grew')
  })

  test('what cannot be asked is refused with its code', async () => {
    const cases = [
      [['backtest', 'nobody@1.0.0', '--release', spiked.id], 'unknown_ref'],
      [['backtest', 'strict@1.0.0', '--release', '01JZ8Y3T9M4QWXV5R2B7C6D1EF'], 'not_found'],
      [['backtest', 'prompt/csat@1.0.0', '--release', spiked.id], 'invalid_request'],
      [['backtest', 'strict@1.0.0', '--task', 'nothing'], 'unknown_task'],
      [['backtest', 'strict@1.0.0'], 'invalid_request'],
    ] as const
    for (const [args, code] of cases) {
      const run = await ground.sluice(...args)
      expect([run.code, run.err]).toEqual([1, expect.stringContaining(code)])
    }
    expect((await ground.sluice('backtest', 'strict@1.0.0', '--task', 'x', '--last', '0')).code).toBe(2)
  })

  test('every command of docs/backtest.md runs', async () => {
    const shown = readFileSync('docs/backtest.md', 'utf8').match(/```sh\n([\s\S]*?)```/)?.[1] ?? ''
    const lines = shown.split('\n').filter((line) => line !== '')
    expect(lines.length).toBeGreaterThan(2)
    for (const line of lines) {
      const args = (line.split('#')[0] ?? '').trim().split(/\s+/).slice(2)
      const known = args.map((word) => ({ '<release>': spiked.id, 'csat-scoring': ground.task })[word] ?? word)
      expect([line, (await ground.sluice(...known)).code]).toEqual([line, 0])
    }
  })

  test('any altered, removed or added decision or look is noticed, by the audit and by the backtest', async () => {
    const { store } = ground
    const journal = store.database.collection<Decision & { _id: string }>('decisions')
    const chain = await journal.find({ releaseId: tolerated.id }).sort({ seq: 1 }).toArray()
    const broken = { code: 'chain_broken' }
    for (const { _id, kind } of chain) {
      const original = await journal.findOne({ _id })
      if (original === null) throw new Error(`${_id} is there`)
      const path = kind === 'assessment' ? 'evidence.judged.input.spend.releaseUsd' : 'reason'
      await journal.updateOne({ _id }, { $set: { [path]: 'altered' } })
      await expect(store.releases.verifyDecisions(tolerated.id)).rejects.toMatchObject(broken)
      await journal.deleteOne({ _id })
      await expect(store.releases.verifyDecisions(tolerated.id)).rejects.toMatchObject(broken)
      await journal.insertOne(original)
    }
    expect((await store.releases.verifyDecisions(tolerated.id)).decisions).toBe(chain.length)
    const look = chain.find(({ kind }) => kind === 'assessment')
    await journal.updateOne({ _id: look?._id ?? '' }, { $set: { 'evidence.judged.assessment.action': 'rollback' } })
    const audit = await ground.sluice('audit', 'verify', '--task', ground.task)
    expect([audit.code, audit.out]).toEqual([1, expect.stringContaining(`BROKEN  ${tolerated.id}`)])
    const run = await ground.sluice('backtest', 'strict@1.0.0', '--release', tolerated.id)
    expect([run.code === 0, run.err]).toEqual([false, expect.stringContaining('chain_broken')])
  })
})
