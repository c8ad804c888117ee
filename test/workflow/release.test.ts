import { rollbackLane } from '../../src/api/release-commands'
import { judge, openRelease } from '../../src/store/assessor'
import type { ReleaseRecord } from '../../src/store/releases'
import { liftAll } from '../support/lift'
import { type ReleaseGround, releaseGround } from '../support/release-ground'
import { sendTraffic } from '../support/release-traffic'
import { until } from '../support/until'

const long = 3_600_000

describe('a release on the real servers', () => {
  let ground: ReleaseGround
  let longPolicy: string
  beforeAll(async () => {
    ground = await releaseGround()
    await ground.settleFirst()
    longPolicy = await ground.policy('long', {
      pilot: { ring: 'pilot', basisPoints: 5_000, by: 'conversation', bakeMs: 0, minimumSample: 0 },
      steps: [{ basisPoints: 5_000, bakeMs: long, minimumSample: 10 }],
    })
  })
  afterAll(() => ground.end())

  const place = (record: Pick<ReleaseRecord, 'workflowId'>) => ({ workflowId: record.workflowId })
  const inRollout = (id: string) => ground.reaches(id, (record) => record.step === 'rollout-1')
  const lane = () => ground.store.ledger.lane('production', ground.task)
  /** The next release may start: holds and vetoes of the test before are lifted. */
  async function lift(): Promise<void> {
    for (const environment of ['staging', 'production']) await liftAll(ground.store.ledger, environment, ground.task)
  }

  test('goes through every stage and leaves chains that verify', async () => {
    const before = (await lane()).headSeq
    const { id } = await ground.start(ground.request('1.1.0'))
    const record = await ground.ended(id)
    expect([record.phase, record.reason]).toEqual(['done', 'every step is done'])
    const entries = await ground.store.ledger.entries('production', ground.task, { from: before + 1 })
    expect(entries.map((entry) => entry.cause)).toEqual(['step', 'step', 'step', 'settle'])
    expect(entries.at(-1)?.incumbent).toBe(record.candidate)
    expect((await ground.store.ledger.lane('staging', ground.task)).incumbent).toBe(record.candidate)
    await ground.store.ledger.verify('production', ground.task)
    await ground.store.ledger.verify('staging', ground.task)
    expect((await ground.store.releases.verifyDecisions(id)).decisions).toBeGreaterThan(6)
  })

  test('a settled release that is rolled back later is taken back where it was told, once', async () => {
    await ground.store.tenants.put('acme', { ring: 'early' }, { by: 'ann', reason: 'a test' })
    const { id } = await ground.start(ground.request('1.3.0'))
    const record = await ground.ended(id)
    const told: string[] = []
    const { store, orchestrator, endpoints, task } = ground
    const retract = async (releaseId: string) => told.push(releaseId)
    const order = { environment: 'production', task, by: 'ann', reason: 'scores drift', key: 'k1/rollback' }
    const first = await rollbackLane({ store, orchestrator, endpoints, retract }, order)
    expect(first.incumbent).not.toBe(record.candidate)
    expect(await rollbackLane({ store, orchestrator, endpoints, retract }, order)).toEqual(first)
    expect(new Set(told)).toEqual(new Set([id]))
    const decisions = (await store.releases.decisions(id)).filter(({ kind }) => kind === 'rollback')
    expect(decisions).toMatchObject([{ by: 'ann', reason: 'scores drift' }])
    await lift()
  })

  test('a spike of errors on live traffic is taken back by the safety clock itself, with hold and veto', async () => {
    const { incumbent } = await lane()
    const { id } = await ground.start(ground.request('1.2.0', longPolicy))
    const { candidate } = await inRollout(id)
    for (let round = 0; round < 5; round++) {
      await sendTraffic(ground.store, {
        task: ground.task,
        conversations: 100,
        fails: (composite) => composite === candidate,
      })
    }
    const record = await ground.ended(id)
    expect(record.phase).toBe('rolled_back')
    expect(record.reason).toContain('error rate')
    const after = await lane()
    expect(after.incumbent).toBe(incumbent)
    expect(after.hold?.by).toBe('guardrail')
    expect(after.vetoes.map((veto) => veto.composite)).toEqual([candidate])
    const decision = (await ground.store.releases.decisions(id)).find((row) => row.kind === 'rollback')
    expect(decision?.by).toBe('guardrail')
    await expect(ground.start(ground.request('1.3.0', longPolicy))).rejects.toMatchObject({ code: 'lane_held' })
    await lift()
  })

  test('signals alone pause, resume and roll it back; rubbish is shown and changes nothing', async () => {
    const { incumbent } = await lane()
    const { id, workflowId } = await ground.start(ground.request('1.2.0', longPolicy))
    await inRollout(id)
    const handle = ground.client.workflow.getHandle(workflowId)
    await handle.signal('pause', 'rubbish')
    await handle.signal('explode', { by: 'ann', reason: 'x' })
    await handle.signal('pause', { by: 'ann', reason: 'odd summaries' })
    await untilPhase(workflowId, 'paused')
    const paused = await ground.orchestrator.status({ workflowId })
    expect(paused?.notes.map((note) => note.text).join('\n')).toMatch(
      /signal pause ignored[\s\S]*unknown signal explode/,
    )
    await handle.signal('resume', { by: 'ann', reason: 'looked fine' })
    await untilPhase(workflowId, 'running')
    await handle.signal('rollback', { by: 'ann', reason: 'customers complain' })
    const record = await ground.ended(id)
    expect([record.phase, record.reason]).toEqual(['rolled_back', 'customers complain'])
    expect((await lane()).incumbent).toBe(incumbent)
    await lift()
  })

  const untilPhase = (workflowId: string, phase: string): Promise<void> =>
    until(`the release is ${phase}`, async () => (await ground.orchestrator.status({ workflowId }))?.phase === phase)

  test('an approval counts only with the digest of this plan; a second release of the task is refused by name', async () => {
    const policy = await ground.policy('approved', { approvals: { count: 1, notTheAuthor: true, trustSignals: false } })
    const { id, workflowId } = await ground.start(ground.request('1.2.0', policy), 'ann')
    await untilPhase(workflowId, 'awaiting_approval')
    await expect(ground.start(ground.request('1.3.0', policy))).rejects.toMatchObject({ code: 'release_running' })
    const state = await ground.orchestrator.status({ workflowId })
    const approve = (by: string, plan?: string) =>
      ground.orchestrator.command({ workflowId }, 'approve', { by, reason: 'read it', ...(plan ? { plan } : {}) })
    await expect(approve('bob', `sha256:${'0'.repeat(64)}`)).rejects.toMatchObject({ code: 'plan_mismatch' })
    await expect(approve('ann', state?.planDigest)).rejects.toMatchObject({ code: 'command_refused' })
    await ground.client.workflow
      .getHandle(workflowId)
      .signal('approve', { by: 'bob', reason: 'x', plan: state?.planDigest })
    expect((await ground.orchestrator.status({ workflowId }))?.phase).toBe('awaiting_approval')
    await ground.orchestrator.command({ workflowId }, 'reject', { by: 'bob', reason: 'not now' })
    expect((await ground.ended(id)).phase).toBe('rejected')
    await expect(
      ground.orchestrator.command({ workflowId }, 'pause', { by: 'bob', reason: 'x' }),
    ).rejects.toMatchObject({
      code: 'release_closed',
    })
  })

  test('a composite that fails its suite is blocked, and no lane moves', async () => {
    const before = await lane()
    const policy = await ground.policy('strict', { test: { ...strictTest } })
    const { id } = await ground.start(ground.request('1.2.0', policy))
    expect((await ground.ended(id)).phase).toBe('blocked')
    expect((await lane()).headSeq).toBe(before.headSeq)
  })

  const strictTest = {
    regressionMargin: 0.5,
    schemaComplianceMin: 1,
    tokensRatioMax: 0.01,
    latencyRatioMax: 1_000,
    costRatioMax: 0.01,
    shiftMargin: 1,
    budgetUsd: 5,
  }

  test('disabling the task pauses the release, and after enable and resume it goes on', async () => {
    const { id, workflowId } = await ground.start(ground.request('1.2.0', longPolicy))
    await inRollout(id)
    const order = { environment: 'production', task: ground.task, by: 'ann', reason: 'incident' }
    await ground.store.ledger.setDisabled({ ...order, key: 'x1/disable', disabled: true })
    await untilPhase(workflowId, 'paused')
    await ground.store.ledger.setDisabled({ ...order, key: 'x2/enable', disabled: false })
    await ground.orchestrator.command(place({ workflowId }), 'resume', { by: 'ann', reason: 'incident over' })
    await sendTraffic(ground.store, { task: ground.task, conversations: 100, fails: () => false })
    await ground.orchestrator.command(place({ workflowId }), 'advance', { by: 'ann', reason: 'seen enough' })
    expect((await ground.ended(id)).phase).toBe('done')
  })

  test('a run started by hand under the id of another release leaves that one alone', async () => {
    const [other] = await ground.store.releases.list({ task: ground.task, limit: 1 })
    const input = { request: ground.request('1.3.0', longPolicy), author: 'eve', releaseId: other?.id }
    const { client, queue, task } = ground
    const handle = await client.workflow.start('release', {
      args: [input],
      taskQueue: queue,
      workflowId: `release/${task}-eve`,
    })
    expect(await handle.result()).toMatchObject({
      phase: 'blocked',
      reason: expect.stringContaining('belongs to another run'),
    })
    expect(await ground.store.releases.get(other?.id as string)).toEqual(other)
  })

  test('a start by hand that is no release fails at once, instead of waiting for ever', async () => {
    const { client, queue, task } = ground
    const handle = await client.workflow.start('release', {
      args: [{ request: { task: { $gt: '' } }, author: 'eve' }],
      taskQueue: queue,
      workflowId: `release/${task}-typo`,
    })
    await expect(handle.result()).rejects.toMatchObject({ cause: { type: 'invalid_request' } })
  })

  test('a step that the gate refuses goes back, and nothing is held or vetoed: nobody saw harm', async () => {
    const { incumbent } = await lane()
    const short = { basisPoints: 5_000, bakeMs: 0, minimumSample: 0 }
    const refusing = await ground.policy('refusing', {
      pilot: { ring: 'pilot', by: 'conversation', ...short, bakeMs: long },
      steps: [short],
    })
    const { id, workflowId } = await ground.start(ground.request('1.3.0', refusing))
    const { candidate } = await ground.reaches(id, (record) => record.step === 'pilot')
    const lanes = ground.store.database.collection<{ _id: string; vetoes: object[] }>('lanes')
    const veto = { composite: candidate, by: 'bob', at: 1, reason: 'by hand' }
    await lanes.updateOne({ _id: `production/${ground.task}` }, { $set: { vetoes: [veto] } })
    await until('the pilot bakes', async () => (await ground.orchestrator.status({ workflowId }))?.baking === true)
    await ground.orchestrator.command({ workflowId }, 'advance', { by: 'ann', reason: 'seen enough' })
    const record = await ground.ended(id)
    expect([record.phase, record.reason]).toEqual(['rolled_back', expect.stringContaining('vetoed')])
    const after = await lane()
    expect([after.incumbent, after.hold]).toEqual([incumbent, undefined])
    await lift()
  })

  test('goes no step further while the applications that reported are silent', async () => {
    const { id, workflowId } = await ground.start(ground.request('1.3.0', longPolicy))
    await inRollout(id)
    await sendTraffic(ground.store, { task: ground.task, conversations: 100, fails: () => false })
    const reporters = ground.store.database.collection('reporters')
    const seenAt = (await reporters.findOne({}))?.seenAt as Date
    await reporters.updateMany({}, { $set: { seenAt: new Date(seenAt.getTime() - 120_000) } })
    await ground.store.releases.update(id, { bakedSeq: (await lane()).baseSeq })
    const judged = await judge(ground.store, await openRelease(ground.store, id))
    expect(judged.assessment).toMatchObject({ mayAdvance: false, waitingFor: ['reporters_silent'] })
    await sendTraffic(ground.store, { task: ground.task, conversations: 1, fails: () => false })
    expect((await judge(ground.store, await openRelease(ground.store, id))).assessment.mayAdvance).toBe(true)
    await ground.orchestrator.command({ workflowId }, 'rollback', { by: 'ann', reason: 'seen enough' })
    await ground.ended(id)
    await lift()
  })

  test('cancelling the workflow rolls back', async () => {
    const { incumbent } = await lane()
    const { id, workflowId } = await ground.start(ground.request('1.3.0', longPolicy))
    await inRollout(id)
    await ground.client.workflow.getHandle(workflowId).cancel()
    const record = await ground.ended(id)
    expect([record.phase, record.reason]).toEqual(['rolled_back', 'the workflow was cancelled'])
    expect((await lane()).incumbent).toBe(incumbent)
    await lift()
  })

  test('terminating the workflow withdraws the candidate by the watch alone', async () => {
    const { incumbent } = await lane()
    const { id, workflowId } = await ground.start(ground.request('1.3.0', longPolicy))
    await inRollout(id)
    await ground.client.workflow.getHandle(workflowId).terminate('by hand')
    await ground.reaches(id, (row) => row.phase === 'rolling_back')
    expect((await lane()).incumbent).toBe(incumbent)
    expect((await ground.store.releases.decisions(id)).at(-1)).toMatchObject({ kind: 'rollback', by: 'watch' })
    await lift()
  })
})
