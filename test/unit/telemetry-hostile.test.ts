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

  it('a reporter that takes back what it told hides nothing that others spend', async () => {
    const { read } = ground.store.telemetry
    const spent = () => read.spend({ composite: candidate, sinceMs: 3_600_000 })
    const tell = async (reporter: string, revision: number, told: { requests: number; costUsd: number }) => {
      const [stratum] = batch(reporter, unitName(500)).strata
      const strata = [{ ...stratum, units: [unitReport({ unit: unitName(500), revision, ...told })] }]
      const answer = await ground.store.telemetry.ingest({ ...batch(reporter, ''), strata } as never, 'app')
      expect(answer).toMatchObject({ units: 1, refused: [] })
    }
    const before = await spent()
    await tell('liar-0001', 1, { requests: 1_000, costUsd: 900 })
    await tell('honest-01', 1, { requests: 1, costUsd: 3 })
    await tell('liar-0001', 2, { requests: 1_001, costUsd: 0 })
    expect((await spent()) - before).toBeCloseTo(903)
    await tell('liar-0001', 3, { requests: 1, costUsd: 901 })
    expect((await spent()) - before).toBeCloseTo(904)
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
