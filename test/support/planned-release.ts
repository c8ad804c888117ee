import { MockActivityEnvironment } from '@temporalio/testing'
import { advanceRelease } from '../../activities/advance'
import { type WatchDeps, watchRelease } from '../../activities/watch'
import type { Plan } from '../../src/domain/plan'
import type { Policy } from '../../src/domain/policy'
import { planSteps } from '../../src/domain/rollout'
import type { Digest } from '../../src/domain/version'
import { openRelease } from '../../src/store/assessor'
import { withdraw } from '../../src/store/withdrawal'
import type { AdvanceOutcome } from '../../workflows/messages'
import { registration } from './contents'
import { type LaneGround, production, type TestLane } from './lane-ground'

export const crossing = {
  environments: ['staging', production],
  leadMs: 0,
  steps: [{ basisPoints: 5_000, bakeMs: 0, minimumSample: 0 }],
  breakers: [],
}
let releases = 0

/** A release of `candidate` over an incumbent that serves in both lanes, planned and watched, with nothing written yet. */
export interface TestRelease {
  readonly id: string
  readonly lane: TestLane
  readonly candidate: Digest
  /** `scheduledAt`: when its workflow asked for it; absent: now. */
  advance(step: number | 'settle', from?: number, isLast?: true, scheduledAt?: number): Promise<AdvanceOutcome>
  withdraw(): Promise<readonly string[]>
  /** The environments in which the candidate is exposed. */
  exposed(): Promise<readonly string[]>
  watch(deps: Partial<WatchDeps>): Promise<unknown>
}

/** Registers `crossing` with changes, as a policy of this name. */
export async function crossingPolicy(ground: LaneGround, name: string, changes: object = {}): Promise<Digest> {
  const draft = registration(`policy/${name}@1.0.0`, { ...crossing, ...changes })
  return (await ground.store.catalog.register(draft)).version.digest
}

export async function plannedRelease(ground: LaneGround, policy: Digest): Promise<TestRelease> {
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
    advance(index, from, isLast, scheduledAt = Date.now()) {
      const order = { releaseId: id, step: index === 'settle' ? undefined : step(index), from: step(from), isLast }
      return advanceRelease(store, order as Parameters<typeof advanceRelease>[1], scheduledAt)
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
      const whole = {
        store,
        endpoints: {},
        tickMs: 10,
        askPause: async () => undefined,
        isRunning: async () => true,
        ...deps,
      }
      return new MockActivityEnvironment().run(watchRelease, whole, id)
    },
  }
}
