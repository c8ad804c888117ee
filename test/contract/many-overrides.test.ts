import type { Digest } from '../../src/domain/version'
import type { StratumDocument } from '../../src/store/telemetry-documents'
import { type LaneGround, laneGround, production, type TestLane } from '../support/lane-ground'
import { batchOf, unitName, unitReport } from '../support/traffic'

/** Overrides, each a composite of its own, times the entries that they were served under, times the shards. */
const overriding = 100_500

describe('a lane in which thousands of tenants override the task', () => {
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
    seq = (await lane.step(candidate, { releaseId: 'release-1' })).entry.seq
    const arms = [
      { slice: 0, arm: 'candidate' as const, composite: candidate, units: 3 },
      { slice: 0, arm: 'incumbent' as const, composite: incumbent, units: 2 },
      { slice: -1, arm: 'none' as const, composite: candidate, units: 4 },
    ]
    for (const [place, { units, ...about }] of arms.entries()) {
      const reports = Array.from({ length: units }, (_, number) =>
        unitReport({ unit: unitName(100 * place + number), costUsd: 1 }),
      )
      await ground.store.telemetry.ingest(batchOf('reporter', { task: lane.task, seq, ...about }, reports), 'app')
    }
    const key = { environment: production, task: lane.task, seq, slice: -1, arm: 'none' as const }
    const rows = Array.from({ length: overriding }, (_, index): StratumDocument => {
      const composite: Digest = `sha256:${index.toString(16).padStart(64, '0')}`
      return { _id: `override-${index}`, ...key, composite, shard: 0, tested: { units: 1 }, gap: {} }
    })
    await ground.store.database.collection<StratumDocument>('strata').insertMany(rows)
  })
  afterAll(() => ground.end())

  it('is judged by every conversation that counts, and by what the candidate spends wherever it serves', async () => {
    const { read } = ground.store.telemetry
    const selection = { environment: production, task: lane.task, releaseId: 'release-1' }
    const figures = await read.figures({ ...selection, candidate, headSeq: seq, step: [seq] })
    expect(figures.stepUnits).toEqual({ candidate: 3, incumbent: 2 })
    expect(figures.strata.map((row) => [row.candidate.units, row.incumbent.units])).toEqual([[3, 2]])
    expect(figures.totals).toMatchObject({ units: 7, costUsd: 7 })
    expect(await read.stepUnits(selection)).toEqual(figures.stepUnits)
    expect(await read.compositeTotals({ ...selection, composite: candidate })).toEqual(figures.totals)
  })
})
