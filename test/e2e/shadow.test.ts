import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ShadowPolicy } from '../../src/domain/policy'
import { connect, type Serving, type Sluice } from '../../src/sdk'
import type { ReleaseRecord } from '../../src/store/releases'
import { type CliGround, cliGround } from '../support/cli-ground'
import { until } from '../support/until'

const shadow: ShadowPolicy = {
  basisPoints: 10_000,
  minimumSample: 30,
  bakeMs: 0,
  deadlineMs: 600_000,
  usdPerHour: 100,
  guardrails: [{ metric: 'error_rate', role: 'rollback', margin: 0.25 }],
  noEvidence: 'pause',
}
const report = { resolved: true, csat: 4, reason: 'done', transferred: false, summary: 'asked and answered' }

describe('a shadow before the first exposed step', () => {
  let ground: CliGround
  let engine: Server
  let sluice: Sluice
  let begun = 0
  /** What the application's engine does to requests with the prompt of a candidate, which names transferred calls. */
  let candidateStatus = 200
  let candidateCsat = 4
  beforeAll(async () => {
    ground = await cliGround()
    await ground.settleFirst()
    engine = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk) => {
        body += chunk
      })
      request.on('end', () => {
        const isCandidate = body.includes('Transferred calls:')
        const usage = { prompt_tokens: 1_000, completion_tokens: 100 }
        const content = JSON.stringify(isCandidate ? { ...report, csat: candidateCsat } : report)
        response.writeHead(isCandidate ? candidateStatus : 200, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ model: 'm', choices: [{ finish_reason: 'stop', message: { content } }], usage }))
      })
    })
    await new Promise<void>((resolve) => engine.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(engine.address() as AddressInfo).port}/v1`
    sluice = await connect({
      ...{ url: ground.url, apiKey: ground.key, environment: 'production', flushIntervalMs: 50 },
      endpoints: { simulated: { url } },
    })
  })
  afterAll(async () => {
    await sluice.shutdown()
    engine.closeAllConnections()
    await new Promise((resolve) => engine.close(resolve))
    await ground.end()
  })

  const policy = (name: string, change: Partial<ShadowPolicy> = {}, outputs = false) =>
    ground.policy(name, {
      shadow: { ...shadow, ...change },
      pilot: undefined as never,
      steps: [{ basisPoints: 5_000, bakeMs: 100, minimumSample: 0 }],
      ...(outputs ? { outputs: [{ field: 'csat', role: 'pause' }] } : {}),
    })

  const open = async (id: string) => (await ground.store.shadows.find(id)) !== undefined
  /** The release began, and the application knows its shadow. */
  async function opened(prompt: string, ref: string): Promise<ReleaseRecord> {
    // What happened to the lane before must not look like the shadow, nor the shadow like what was known before.
    await until('the application is up to date', async () => {
      return sluice.heads[ground.task] === (await ground.lane()).headSeq
    })
    const before = sluice.snapshot.version
    const record = await ground.start(ground.request(prompt, ref))
    await until('the shadow is open', () => open(record.id))
    await until('the application knows', async () => sluice.snapshot.version !== before)
    return record
  }

  /** Conversations of the application, one request each; answers what served them. */
  async function talk(count: number): Promise<readonly Serving[]> {
    return Promise.all(
      Array.from({ length: count }, async () => {
        const question = { tenant: 'acme', conversation: `c-${++begun}`, startedAt: Date.now() }
        const serving = sluice.resolve(ground.task, question)
        if (serving.skip !== undefined) throw new Error(serving.skip)
        expect((await serving.run({ transcript: 'hello' })).outcome).toBe('ok')
        return serving
      }),
    )
  }

  /** A few at a time, as the shadow's bounds let them be copied, until the fact holds. */
  const talkUntil = (what: string, fact: () => Promise<boolean>) =>
    until(what, async () => {
      await talk(4)
      return fact()
    })

  const shadowOf = async (id: string) =>
    (await ground.store.releases.decisions(id, { kinds: ['shadow'] }))[0]?.evidence as
      | Record<string, unknown>
      | undefined

  test('passes on enough pairs: nobody is served by the candidate, no live count grows, then it goes on', async () => {
    candidateStatus = 200
    const { incumbent, headSeq } = await ground.lane()
    const record = await opened('1.1.0', await policy('passing'))
    const served = await talk(4)
    expect(served.map(({ composite, arm }) => [composite.id, arm])).toEqual(served.map(() => [incumbent, 'none']))
    await until('pairs came', async () => (await ground.store.shadows.units(record.id)).length > 0)
    const lane = { environment: 'production', task: ground.task, releaseId: record.id }
    expect(await ground.store.telemetry.read.strataOf(lane)).toEqual([])
    expect((await ground.lane()).headSeq).toBe(headSeq)
    const shown = await ground.sluice('release', 'show', record.id)
    expect(shown.out).toMatch(/shadow +\d+ of 30 conversations answered twice/)
    await talkUntil('the shadow is over', async () => (await shadowOf(record.id)) !== undefined)
    expect((await ground.ended(record.id)).phase).toBe('done')
    expect(await shadowOf(record.id)).toMatchObject({ outcome: { kind: 'pass' } })
    expect(await open(record.id)).toBe(false)
    expect(await ground.store.shadows.spent(record.id)).toBeGreaterThan(0)
    const entries = await ground.store.ledger.entries('production', ground.task, { from: headSeq + 1 })
    expect(entries.map(({ cause }) => cause)).toEqual(['step', 'settle'])
    await ground.store.releases.verifyDecisions(record.id)
  })

  test('errors of the candidate take the release back before anybody saw it; every user was answered', async () => {
    const { headSeq, incumbent } = await ground.lane()
    // What serves has the prompt of 1.1.0 by now: all copies and all servings look like the candidate's.
    const back = await ground.store.ledger.restore({
      ...{ environment: 'production', task: ground.task, key: 'test/back', by: 'ann', reason: 'a test' },
      penalties: { hold: false, veto: false },
    })
    expect(back?.entry.incumbent).not.toBe(incumbent)
    candidateStatus = 500
    const record = await opened('1.2.0', await policy('failing'))
    await talkUntil(
      'the release went back',
      async () => (await ground.store.releases.get(record.id)).endedAt !== undefined,
    )
    candidateStatus = 200
    const ended = await ground.store.releases.get(record.id)
    expect([ended.phase, ended.reason]).toEqual([
      'rolled_back',
      expect.stringContaining('the shadow failed: error rate'),
    ])
    expect((await ground.lane()).headSeq).toBe(headSeq + 1)
    expect(await open(record.id)).toBe(false)
    await ground.lift()
  })

  test('other outputs pause it for a person to look, who takes it back', async () => {
    candidateCsat = 2
    const record = await opened('1.3.0', await policy('differing', { minimumSample: 60 }, true))
    const live = () => ground.orchestrator.status({ workflowId: record.workflowId })
    await talkUntil('it is paused', async () => (await live())?.phase === 'paused')
    candidateCsat = 4
    expect((await live())?.paused?.reason).toContain('csat is the same in 0.0 % of')
    // Contents may not be looked at here, so no request is named.
    expect((await shadowOf(record.id))?.examples).toBeUndefined()
    await ground.orchestrator.command({ workflowId: record.workflowId }, 'rollback', {
      by: 'ann',
      reason: 'not wanted',
    })
    expect((await ground.ended(record.id)).phase).toBe('rolled_back')
    await ground.lift()
  })

  test('without applications that run, there is no evidence, and the policy says what follows', async () => {
    const ref = await policy('quiet', { deadlineMs: 300, noEvidence: 'rollback' })
    const { id } = await ground.start(ground.request('1.2.0', ref))
    const ended = await ground.ended(id)
    expect([ended.phase, ended.reason]).toEqual([
      'rolled_back',
      expect.stringMatching(/no evidence: 0 of 30 .*call `run`/),
    ])
    await ground.lift()
  })

  test('a workflow that is terminated leaves no shadow: the safety clock ends it', async () => {
    const record = await opened('1.2.0', await policy('terminated'))
    await ground.client.workflow.getHandle(record.workflowId).terminate('a test')
    await until('the shadow is over', async () => !(await open(record.id)))
    expect(await ground.store.shadows.take('production', [], 'app')).toEqual({ taken: 0, holdMs: 0 })
    await ground.lift()
  })

  test('the plan says that requests are copied', async () => {
    const ref = await policy('planned')
    const { out } = await ground.sluice('plan', ground.releaseFile('1.2.0', ref))
    expect(out).toContain('shadow: the candidate answers copies of 100 % of the conversations, at least 30')
  })
})
