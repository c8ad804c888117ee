import type { ShadowPolicy } from '../../src/domain/policy'
import type { ReleaseRecord } from '../../src/store/releases'
import { liftAll } from '../support/lift'
import { type ReleaseGround, releaseGround } from '../support/release-ground'
import { shadowPairs } from '../support/shadow-pairs'
import { until } from '../support/until'

const sample = 20

describe('the shadow of a release, disturbed', () => {
  let ground: ReleaseGround
  beforeAll(async () => {
    ground = await releaseGround()
    await ground.settleFirst()
  })
  afterAll(() => ground.end())
  afterEach(async () => {
    for (const environment of ['staging', 'production']) await liftAll(ground.store.ledger, environment, ground.task)
  })

  const policy = (name: string, change: Partial<ShadowPolicy> = {}) =>
    ground.policy(name, {
      shadow: {
        ...{ basisPoints: 10_000, minimumSample: sample, bakeMs: 0, deadlineMs: 3_600_000, usdPerHour: 100 },
        guardrails: [{ metric: 'error_rate', role: 'rollback', margin: 0.25 }],
        noEvidence: 'rollback',
        ...change,
      },
      pilot: undefined as never,
      steps: [{ basisPoints: 5_000, bakeMs: 0, minimumSample: 0 }],
    })
  const shadow = (id: string) => ground.store.shadows.find(id)
  const decided = (id: string) => ground.store.releases.decisions(id, { kinds: ['shadow'] })
  const status = ({ workflowId }: ReleaseRecord) => ground.orchestrator.status({ workflowId })
  const command = ({ workflowId }: ReleaseRecord, name: 'pause' | 'resume') =>
    ground.orchestrator.command({ workflowId }, name, { by: 'ann', reason: 'a test' })
  const tell = ({ id }: ReleaseRecord, count: number, change: { from?: number; outcome?: 'ok' | 'error' } = {}) =>
    ground.store.shadows.take('production', shadowPairs(count, { releaseId: id, task: ground.task, ...change }), 'app')
  const turn = (disabled: boolean) =>
    ground.store.ledger.setDisabled({
      ...{ environment: 'production', task: ground.task, key: `test/${disabled}/${Math.random()}`, disabled },
      ...{ by: 'ann', reason: 'a test' },
    })

  async function shadowed(prompt: string, ref: string): Promise<ReleaseRecord> {
    const record = await ground.start(ground.request(prompt, ref))
    await until('the shadow is open', async () => (await shadow(record.id)) !== undefined)
    return record
  }

  test('a pause leaves it open and holds its verdict; resumed it is judged by the pairs that came meanwhile', async () => {
    const record = await shadowed('1.1.0', await policy('paused'))
    await command(record, 'pause')
    expect(await tell(record, sample)).toEqual({ taken: sample, holdMs: 0 })
    expect(await tell(record, sample)).toEqual({ taken: 0, holdMs: 0 })
    const tick = async () => (await ground.store.releases.lastTick(record.id))?.tick ?? 0
    const from = await tick()
    // Longer than an attempt takes to come again.
    await until('the safety clock ticked on', async () => (await tick()) > from + 8)
    expect([await decided(record.id), (await status(record))?.phase]).toEqual([[], 'paused'])
    await command(record, 'resume')
    expect((await ground.ended(record.id)).phase).toBe('done')
    expect(await decided(record.id)).toMatchObject([{ evidence: { outcome: { kind: 'pass' }, pairs: sample } }])
  })

  test('a disabled task copies nothing: it pauses, and begins anew with its full time and the pairs that it has', async () => {
    const record = await shadowed('1.2.0', await policy('disabled'))
    const first = await shadow(record.id)
    await tell(record, sample - 1)
    await turn(true)
    await until('it is paused', async () => (await status(record))?.phase === 'paused')
    expect((await status(record))?.paused).toEqual({ by: 'sluice', reason: 'disabled' })
    expect(await shadow(record.id)).toBeUndefined()
    expect(await tell(record, 1, { from: sample })).toEqual({ taken: 0, holdMs: 0 })
    await turn(false)
    await command(record, 'resume')
    await until('it is open again', async () => (await shadow(record.id)) !== undefined)
    expect((await shadow(record.id))?.until).toBeGreaterThan(first?.until ?? Number.POSITIVE_INFINITY)
    expect(await decided(record.id)).toEqual([])
    await tell(record, 1, { from: sample })
    expect((await ground.ended(record.id)).phase).toBe('done')
    expect(await decided(record.id)).toMatchObject([{ evidence: { units: sample } }])
  })

  test('where no evidence may go on, it goes on at the deadline and says so', async () => {
    const ref = await policy('going-on', { deadlineMs: 200, noEvidence: 'go_on' })
    const record = await ground.start(ground.request('1.3.0', ref))
    expect((await ground.ended(record.id)).phase).toBe('done')
    expect(await decided(record.id)).toMatchObject([{ reason: expect.stringMatching(/^no evidence: 0 of 20 /) }])
  })

  test('harm at the deadline is harm: a missing sample does not excuse it', async () => {
    const ref = await policy('harmful', { noEvidence: 'go_on', minimumSample: 1_000 })
    const record = await shadowed('1.1.0', ref)
    await tell(record, 60, { outcome: 'error' })
    const ended = await ground.ended(record.id)
    expect([ended.phase, ended.reason]).toEqual([
      'rolled_back',
      expect.stringContaining('the shadow failed: error rate'),
    ])
    expect(await shadow(record.id)).toBeUndefined()
  })

  test('the workers are gone for a while: nothing is decided, pairs are kept, and the one that comes decides once', async () => {
    const record = await shadowed('1.2.0', await policy('unwatched'))
    await ground.stopWorker()
    await tell(record, sample)
    expect(await decided(record.id)).toEqual([])
    // What the reconciler does where the safety clock stood still.
    await ground.store.shadows.end(record.id)
    await ground.startWorker()
    expect((await ground.ended(record.id)).phase).toBe('done')
    expect(await decided(record.id)).toHaveLength(1)
    await ground.store.releases.verifyDecisions(record.id)
  })
})
