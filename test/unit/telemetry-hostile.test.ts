import type { Digest } from '../../src/domain/version'
import { type LaneGround, laneGround, production, type TestLane } from '../support/lane-ground'
import { emptyBatch, unitName, unitReport } from '../support/traffic'

describe('hostile reports', () => {
  let ground: LaneGround
  let lane: TestLane
  let candidate: Digest
  let seq: number
  beforeAll(async () => {
    ground = await laneGround()
    lane = await ground.lane()
    const [incumbent, other] = (await ground.tested(2)) as [Digest, Digest]
    await lane.settle(incumbent)
    candidate = other
    seq = (await lane.step(candidate)).entry.seq
  })
  afterAll(() => ground.end())

  const batch = (reporter: string, unit: string) => ({
    ...emptyBatch(reporter),
    environment: production,
    strata: [
      {
        ...{ task: lane.task, seq, slice: 0, arm: 'candidate' as const, composite: candidate },
        units: [unitReport({ unit, tenant: 'acme' })],
      },
    ],
  })

  it.each(['toString', 'constructor', '__proto__'])('a reporter named %s is one like any other', async (reporter) => {
    const unit = unitName(reporter.length)
    const before = (
      await ground.store.telemetry.read.stepUnits({ environment: production, task: lane.task, seqs: [seq] })
    ).candidate
    for (let times = 0; times < 2; times++) {
      expect(await ground.store.telemetry.ingest(batch(reporter, unit), 'app')).toMatchObject({ units: 1, refused: [] })
    }
    const after = await ground.store.telemetry.read.stepUnits({ environment: production, task: lane.task, seqs: [seq] })
    expect(after.candidate).toBe(before + 1)
  })

  it('a report from the future is refused: the newest requests set the thresholds of the next release', async () => {
    const now = await ground.store.database.now()
    const request = (requestId: string, at: number) => ({
      ...{ requestId, task: lane.task, seq, slice: 0, arm: 'candidate' as const, composite: candidate, at },
      ...{
        tenant: 'acme',
        conversation: 'c',
        reason: 'slice',
        binding: 'b1.1.0',
        outcome: 'ok' as const,
        latencyMs: 1,
      },
      ...{ inputTokens: 1, cachedTokens: 0, outputTokens: 1, costUsd: 0, uncachedCostUsd: 0, cacheAgeMs: 0 },
      ...{ headSeq: seq, tenantSeq: 0, stale: false },
    })
    const requests = [request('now', now), request('next year', now + 365 * 24 * 3_600_000)]
    const taken = await ground.store.telemetry.ingest(
      { ...emptyBatch('reporter-1'), environment: production, requests },
      'app',
    )
    expect(taken).toMatchObject({ requests: 1, refused: [{ path: '/requests/1', code: 'invalid_telemetry' }] })
    expect(await ground.store.telemetry.requests.find('next year')).toBeUndefined()
  })
})
