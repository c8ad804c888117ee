import type { ReleaseRequest } from '../../src/domain/plan'
import type { Digest } from '../../src/domain/version'
import { type LaneGround, laneGround, production, refusal, type TestLane } from '../support/lane-ground'
import { batchOf, unitName, unitReport } from '../support/traffic'

let ground: LaneGround
let lane: TestLane
let incumbent: Digest
let candidate: Digest
let request: ReleaseRequest

beforeAll(async () => {
  ground = await laneGround()
})
afterAll(() => ground.end())

beforeEach(async () => {
  lane = await ground.lane()
  const tested = (await ground.tested(2)) as [Digest, Digest]
  incumbent = tested[0]
  candidate = tested[1]
  await lane.settle(incumbent)
  request = { task: lane.task, change: { prompt: 'mood-1@1.0.0' }, why: 'for a test' }
})

/** What the incumbent does before the start, outside any release. */
async function serve(count: number, failing: number): Promise<void> {
  const { seq } = (await lane.entries()).at(-1) ?? { seq: 0 }
  const units = Array.from({ length: count }, (_, index) =>
    unitReport({ unit: unitName(index), ...(index < failing ? { errors: 1, events: ['error' as const] } : {}) }),
  )
  const key = { task: lane.task, seq, slice: -1, arm: 'none' as const, composite: incumbent }
  const batch = { ...batchOf(`process-${lane.task}`, key, units), environment: production }
  expect((await ground.store.telemetry.ingest(batch, 'app')).refused).toEqual([])
}

it('is refused by the plan while a breaker of the policy fires on what serves', async () => {
  await serve(40, 30)
  const refused = await refusal(ground.store.planner.plan(request))
  expect(refused.code).toBe('alarm_firing')
  expect(refused.details.alarms).toEqual([
    expect.stringMatching(/^error_breaker in .*: 30 of 40 incumbent requests failed in the last 1 minute/),
  ])
})

it('starts all the same when somebody breaks the glass, and the plan tells why for ever', async () => {
  await serve(40, 30)
  const plan = await ground.store.planner.plan({ ...request, breakGlass: 'this is the fix' })
  expect(plan).toMatchObject({ candidate, request: { breakGlass: 'this is the fix' } })
  expect(plan.warnings.join()).toContain('glass broken (this is the fix): error_breaker')
})

it('starts where what serves is well, or nothing is served', async () => {
  expect((await ground.store.planner.plan(request)).candidate).toBe(candidate)
  await serve(40, 3)
  expect((await ground.store.planner.plan(request)).warnings.join()).not.toContain('glass')
})
