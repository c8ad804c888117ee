import { ActivityCancellationDetails } from '@temporalio/common'
import { MockActivityEnvironment } from '@temporalio/testing'
import { advanceRelease, settleEarlierLanes } from '../../activities/advance'
import { type WatchDeps, watchRelease } from '../../activities/watch'
import type { Plan } from '../../src/domain/plan'
import type { Policy } from '../../src/domain/policy'
import { planSteps } from '../../src/domain/rollout'
import type { Digest } from '../../src/domain/version'
import { openRelease } from '../../src/store/assessor'
import { withdraw } from '../../src/store/withdrawal'
import type { AdvanceOutcome } from '../../workflows/messages'
import { registration } from '../support/contents'
import { type LaneGround, laneGround, production, type TestLane } from '../support/lane-ground'
import { emptyBatch, unitName, unitReport } from '../support/traffic'
import { until } from '../support/until'

const crossing = {
  environments: ['staging', production],
  leadMs: 0,
  steps: [{ basisPoints: 5_000, bakeMs: 0, minimumSample: 0 }],
  breakers: [],
}
let releases = 0

/** A release of `candidate` over an incumbent that serves in both lanes, planned and watched, with nothing written yet. */
interface TestRelease {
  readonly id: string
  readonly lane: TestLane
  readonly candidate: Digest
  advance(step: number | 'settle', from?: number): Promise<AdvanceOutcome>
  withdraw(): Promise<readonly string[]>
  /** The environments in which the candidate is exposed. */
  exposed(): Promise<readonly string[]>
  watch(deps: Partial<WatchDeps>): Promise<unknown>
}

describe('the effects of a release', () => {
  let ground: LaneGround
  let policy: Digest
  beforeAll(async () => {
    ground = await laneGround()
    const { version } = await ground.store.catalog.register(registration('policy/crossing@1.0.0', crossing))
    policy = version.digest
  })
  afterAll(() => ground.end())

  async function planned(): Promise<TestRelease> {
    const { store } = ground
    const lane = await ground.lane()
    const [incumbent, candidate] = (await ground.tested(2)) as [Digest, Digest]
    await ground.judge(incumbent, undefined, { policy })
    await ground.judge(candidate, incumbent, { policy })
    for (const environment of [production, 'staging']) await lane.settle(incumbent, { environment, policy })
    const id = `release-${++releases}`
    const content = (await store.catalog.byDigest('policy', policy)).content as Policy
    const lanes = await Promise.all(content.environments.map((environment) => lane.state(environment)))
    const request = { task: lane.task, change: {}, why: 'for a test' }
    const plan = {
      ...{ request, task: lane.task, candidate, policy, suite: (await store.catalog.task(lane.task)).suiteDigest },
      lanes: lanes.map(({ environment, baseSeq }) => ({ environment, baseSeq, incumbent })),
      steps: planSteps(content, true),
      changes: [],
      warnings: [],
      forecast: [],
    } as unknown as Plan
    await store.releases.adopt({ id, task: lane.task, request, author: 'ann', workflowId: `release/${id}`, runId: id })
    await store.releases.update(id, { plan: await store.releases.putPlan(plan), candidate })
    await store.releases.tick(id)
    const step = (index: number | undefined) => (index === undefined ? undefined : plan.steps[index])
    return {
      ...{ id, lane, candidate },
      advance(index, from) {
        const order = { releaseId: id, step: index === 'settle' ? undefined : step(index), from: step(from) }
        return advanceRelease(store, order as Parameters<typeof advanceRelease>[1])
      },
      async withdraw() {
        const order = { by: 'ann', reason: 'for a test', penalise: false }
        return withdraw(store, await openRelease(store, id), order)
      },
      async exposed() {
        const states = await Promise.all(content.environments.map((environment) => lane.state(environment)))
        return states.filter((state) => state.candidate === candidate).map(({ environment }) => environment)
      },
      watch(deps) {
        const whole = { store, tickMs: 10, askPause: async () => undefined, isRunning: async () => true, ...deps }
        return new MockActivityEnvironment().run(watchRelease, whole, id)
      },
    }
  }

  describe('a step that comes too late', () => {
    test('appends nothing where the release was withdrawn before it wrote that lane', async () => {
      const release = await planned()
      expect(await release.advance(0)).toMatchObject({ kind: 'appended' })
      expect(await release.withdraw()).toEqual([`staging/${release.lane.task}`])
      expect(await release.advance(1, 0)).toMatchObject({ kind: 'refused', code: 'release_closed' })
      expect(await release.exposed()).toEqual([])
    })

    test('appends nothing where the release was withdrawn before it wrote any lane', async () => {
      const release = await planned()
      expect(await release.withdraw()).toEqual([])
      expect(await release.advance(0)).toMatchObject({ kind: 'refused', code: 'release_closed' })
      expect(await release.exposed()).toEqual([])
    })

    test('appends nothing once the release is closed', async () => {
      const release = await planned()
      await ground.store.releases.update(release.id, { phase: 'rolled_back' })
      expect(await release.advance(0)).toMatchObject({ kind: 'refused', code: 'release_closed' })
      expect((await ground.store.releases.get(release.id)).phase).toBe('rolled_back')
    })

    test('and a withdrawal at the same time leave nothing exposed, whoever comes first', async () => {
      for (let round = 0; round < 5; round++) {
        const release = await planned()
        await Promise.all([release.advance(0), release.withdraw()])
        expect(await release.exposed()).toEqual([])
      }
    })
  })

  test('a lane that a person rolled back while the release waits for evidence is found at the next look', async () => {
    const release = await planned()
    for (const [step, from] of [[0], [1, 0]] as const) await release.advance(step, from)
    await release.lane.rollback()
    expect(await release.advance('settle', 1)).toEqual({ kind: 'moved', cause: 'rollback' })
  })

  describe('the safety clock', () => {
    test('tells the release that somebody else withdrew it, and who and why', async () => {
      const release = await planned()
      await release.advance(0)
      await release.withdraw()
      expect(await release.watch({})).toEqual({ kind: 'withdrawn', by: 'ann', reason: 'for a test' })
    })

    test('knows the decisions of a release that has thousands of them', async () => {
      const release = await planned()
      await release.advance(0)
      const { releases, database } = ground.store
      const { decisionSeq } = await releases.get(release.id)
      const count = 2_100
      const others = Array.from({ length: count }, (_, index) => {
        const seq = decisionSeq + 1 + index
        const about = { releaseId: release.id, seq, at: 0, kind: 'assessment', by: 'guardrail', reason: '' }
        return { _id: `${release.id}/${seq}`, ...about, evidence: {}, code: '', prev: '', hash: '' }
      })
      await database.collection<{ _id: string }>('decisions').insertMany(others)
      await database
        .collection<{ _id: string }>('releases')
        .updateOne({ _id: release.id }, { $set: { decisionSeq: decisionSeq + count } })
      await release.withdraw()
      expect(await release.watch({})).toEqual({ kind: 'withdrawn', by: 'ann', reason: 'for a test' })
      expect(await releases.lastDecision(release.id, 'rollback')).toMatchObject({ by: 'ann', reason: 'for a test' })
    })

    test('tells the release that its lane was rolled back by hand', async () => {
      const release = await planned()
      for (const [step, from] of [[0], [1, 0]] as const) await release.advance(step, from)
      await release.lane.rollback()
      expect(await release.watch({})).toMatchObject({ kind: 'withdrawn', by: 'ledger' })
    })

    test('pauses once for a cause, also after it starts again, and again for a new one', async () => {
      const release = await planned()
      for (const [step, from] of [[0], [1, 0]] as const) await release.advance(step, from)
      const asked: string[] = []
      const askPause = async (_release: unknown, reason: string) => void asked.push(reason)
      const looks = async (count: number) => {
        const before = (await ground.store.releases.lastTick(release.id))?.tick ?? 0
        const environment = new MockActivityEnvironment()
        const whole = { store: ground.store, tickMs: 10, askPause, isRunning: async () => true }
        const watching = environment.run(watchRelease, whole, release.id).catch((error: Error) => error.message)
        await until(
          'it looked',
          async () => ((await ground.store.releases.lastTick(release.id))?.tick ?? 0) >= before + count,
        )
        environment.cancel('WORKER_SHUTDOWN', new ActivityCancellationDetails({ workerShutdown: true }))
        expect(await watching).toContain('the next one goes on')
      }
      await release.lane.flag(true)
      await looks(3)
      expect(asked).toEqual(['disabled'])
      await looks(3)
      expect(asked).toEqual(['disabled'])
      await release.lane.flag(false)
      await release.lane.flag(true)
      await looks(2)
      expect(asked).toEqual(['disabled', 'disabled'])
    })
  })

  test('a record that was closed before a worker took it up is taken up by no run', async () => {
    const { releases } = ground.store
    const request = { task: 'any', change: {}, why: 'for a test' }
    const draft = { id: 'never-taken-up', task: 'any', request, author: 'ann', workflowId: 'release/any' }
    await releases.create(draft)
    await releases.update(draft.id, { phase: 'rolled_back' })
    await expect(releases.adopt({ ...draft, runId: 'late' })).rejects.toMatchObject({ code: 'release_closed' })
  })

  test('an earlier lane that was disabled meanwhile does not take back what settled where it counts', async () => {
    const release = await planned()
    for (const [step, from] of [[0], [1, 0]] as const) await release.advance(step, from)
    await ground.store.telemetry.ingest(batchOf(release, (await release.lane.state()).headSeq), 'app')
    expect(await release.advance('settle', 1)).toMatchObject({ kind: 'appended' })
    await release.lane.flag(true, 'staging')
    await settleEarlierLanes(ground.store, release.id)
    expect((await release.lane.state()).incumbent).toBe(release.candidate)
    expect((await release.lane.state('staging')).disabled).toBe(true)
  })
})

/** One conversation of the candidate in the step of this entry. */
const batchOf = ({ lane, candidate }: TestRelease, seq: number) => ({
  ...emptyBatch('reporter-1'),
  environment: production,
  strata: [
    {
      ...{ task: lane.task, seq, slice: 0, arm: 'candidate' as const, composite: candidate },
      units: [unitReport({ unit: unitName(1), tenant: 'acme' })],
    },
  ],
})
