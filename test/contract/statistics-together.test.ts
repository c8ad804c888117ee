import type { Digest } from '../../src/domain/version'
import { type LaneGround, laneGround, production, type TestLane } from '../support/lane-ground'
import { batchOf, unitName, unitReport } from '../support/traffic'

const lanesCount = 6
const minuteMs = 60_000

describe('statistics of many releases that are asked for in the same turn', () => {
  let ground: LaneGround
  let incumbent: Digest
  let candidate: Digest
  const lanes: { readonly lane: TestLane; readonly seq: number; readonly releaseId: string }[] = []

  beforeAll(async () => {
    ground = await laneGround()
    ;[incumbent, candidate] = (await ground.tested(2)) as [Digest, Digest]
    for (let index = 0; index < lanesCount; index++) {
      const lane = await ground.lane()
      await lane.settle(incumbent)
      // Ledgers of different lengths, so that the same entry means another step in each lane.
      for (let flag = 0; flag < index; flag++) await lane.flag(flag % 2 === 0)
      if ((await lane.state()).disabled) await lane.flag(false)
      const releaseId = `release-${index}`
      const { entry } = await lane.step(candidate, { releaseId })
      lanes.push({ lane, seq: entry.seq, releaseId })
      for (const [arm, composite] of [
        ['candidate', candidate],
        ['incumbent', incumbent],
      ] as const) {
        const units = Array.from({ length: 1 + index }, (_, number) =>
          unitReport({ unit: unitName(number + (arm === 'candidate' ? 1_000 : 0)), errors: index, costUsd: 1 + index }),
        )
        const stratum = { task: lane.task, seq: entry.seq, slice: 0, arm, composite }
        await ground.store.telemetry.ingest(batchOf('reporter', stratum, units), 'app')
      }
    }
  })
  afterAll(() => ground.end())

  const figures = ({ lane, seq, releaseId }: (typeof lanes)[number]) =>
    ground.store.telemetry.read.figures({
      ...{ environment: production, task: lane.task, releaseId, candidate, headSeq: seq, step: [seq] },
    })

  it('are those of each alone', async () => {
    const alone = []
    for (const one of lanes) alone.push(await figures(one))
    expect(alone.map(({ totals }) => Math.round(totals.costUsd))).toEqual(
      lanes.map((_, index) => (1 + index) * (1 + index)),
    )
    expect(alone.map(({ stepUnits }) => stepUnits.candidate)).toEqual(lanes.map((_, index) => 1 + index))
    expect(await Promise.all(lanes.map(figures))).toEqual(alone)
  })

  it('are sums over the lane that was asked for, or over all, each as far back as asked', async () => {
    const { series } = ground.store.telemetry.read
    const questions = [
      ...lanes.map(({ lane }) => ({ environment: production, task: lane.task })),
      {},
      { environment: 'staging' },
    ].flatMap((of) => [
      { ...of, composite: candidate, windowsMs: [10 * minuteMs] },
      { ...of, composite: candidate, windowsMs: [10 * minuteMs, 0] },
      { ...of, composite: incumbent, windowsMs: [] },
    ])
    const alone = []
    for (const question of questions) alone.push(await series.sums(question))
    expect(await Promise.all(questions.map((question) => series.sums(question)))).toEqual(alone)
    const usd = alone.map((sums) => sums.map(({ costNano }) => Math.round(costNano / 1e9)))
    const ofLane = (index: number) => (1 + index) * (1 + index)
    const all = lanes.reduce((sum, _, index) => sum + ofLane(index), 0)
    expect(usd).toEqual([...lanes.map((_, index) => ofLane(index)), all, 0].flatMap((one) => [[one], [one, 0], []]))
  })
})
