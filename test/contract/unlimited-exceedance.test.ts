import type { Digest } from '../../src/domain/version'
import { registration } from '../support/contents'
import { type LaneGround, laneGround, production, type TestLane } from '../support/lane-ground'
import { emptyBatch } from '../support/traffic'

let ground: LaneGround
let lane: TestLane
let incumbent: Digest

beforeAll(async () => {
  ground = await laneGround()
  const policies = {
    paused: { metric: 'latency_exceedance', role: 'pause', margin: 0.5 },
    told: { metric: 'latency_exceedance', role: 'notify', margin: 0.5 },
    mean: { metric: 'latency_mean', role: 'rollback', margin: 0.5 },
  }
  for (const [name, guardrail] of Object.entries(policies)) {
    const content = { environments: [production], guardrails: [guardrail] }
    await ground.store.catalog.register(registration(`policy/${name}@1.0.0`, content))
  }
})
afterAll(() => ground.end())

beforeEach(async () => {
  lane = await ground.lane()
  incumbent = (await ground.tested(2))[0] as Digest
})

async function warnings(policy: string): Promise<readonly string[]> {
  const request = { task: lane.task, change: { prompt: 'mood-1@1.0.0' }, why: 'for a test', policy: `${policy}@1.0.0` }
  return (await ground.store.planner.plan(request)).warnings
}

async function serve(count: number, outcome: 'ok' | 'filtered' = 'ok'): Promise<void> {
  const { seq } = (await lane.entries()).at(-1) ?? { seq: 0 }
  const key = { task: lane.task, seq, slice: -1, arm: 'none' as const, composite: incumbent }
  const requests = Array.from({ length: count }, (_, index) => ({
    ...{
      ...key,
      requestId: `${lane.task}-${outcome}-${index}`,
      tenant: 'acme',
      conversation: `c-${index}`,
      reason: 'settled',
    },
    ...{
      binding: `${seq}.0`,
      at: Date.now(),
      outcome,
      latencyMs: outcome === 'ok' ? index : 0,
      inputTokens: 1,
      cachedTokens: 0,
    },
    ...{ outputTokens: 1, costUsd: 0, uncachedCostUsd: 0, cacheAgeMs: 0, headSeq: seq, tenantSeq: 0, stale: false },
  }))
  const batch = { ...emptyBatch(`process-${lane.task}`), environment: production, requests }
  expect((await ground.store.telemetry.ingest(batch, 'app')).refused).toEqual([])
}

const unlimited = expect.stringMatching(
  /^No limit can be frozen for latency_exceedance: .* fewer than 20 requests in production, and the suite gives 1 results of the 20 needed/,
)

it('is a warning of the plan until the incumbent has the requests that a limit is told from', async () => {
  await lane.settle(incumbent)
  await serve(19)
  expect(await warnings('paused')).toContainEqual(unlimited)
  await serve(20)
  expect(await warnings('paused')).not.toContainEqual(unlimited)
})

it('is told from answered requests alone: what a filter refused took nothing', async () => {
  await lane.settle(incumbent)
  await serve(19)
  await serve(960, 'filtered')
  expect(await warnings('paused')).toContainEqual(unlimited)
  await serve(40)
  await serve(960, 'filtered')
  const limits = await ground.store.telemetry.read.thresholds(production, lane.task, incumbent)
  expect(limits?.latencyMs).toBeGreaterThan(30)
})

it('is none where nothing waits for it, or nothing is there to compare with', async () => {
  expect(await warnings('paused')).not.toContainEqual(unlimited)
  await lane.settle(incumbent)
  expect(await warnings('told')).not.toContainEqual(unlimited)
  expect(await warnings('mean')).not.toContainEqual(unlimited)
})
