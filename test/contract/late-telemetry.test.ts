import type { Digest } from '../../src/domain/version'
import { batchOf, environment, type TrafficGround, task, trafficGround, unitName, unitReport } from '../support/traffic'

const minuteMs = 60_000
const units = 100

/** After an outage every application delivers at once what it held. */
describe('what is told late', () => {
  let ground: TrafficGround
  let seq: number
  let candidate: Digest
  beforeAll(async () => {
    ground = await trafficGround()
    await ground.settle(0)
    candidate = await ground.composite(1)
    seq = (await ground.step({ incumbent: 0, candidate: 1, releaseId: 'release-1' })).seq
  })
  afterAll(() => ground.end())

  test('counts in breakers and budgets when it happened, and in the evidence as ever', async () => {
    const { telemetry } = ground.store
    const key = { task, seq, slice: 0, arm: 'candidate' as const, composite: candidate }
    const reports = Array.from({ length: units }, (_, index) => {
      const unit =
        Math.floor((index / units) * 2 ** 32)
          .toString(16)
          .padStart(8, '0') + unitName(index).slice(8)
      return unitReport({ unit, errors: 1, events: ['error'], closed: true })
    })
    const coversMs = 10 * minuteMs
    expect(await telemetry.ingest({ ...batchOf('replica-1', key, reports), coversMs }, 'app')).toMatchObject({ units })
    const lane = { environment, task, composite: candidate }
    const within = async (windowMs: number) =>
      (await telemetry.read.window({ ...lane, windowMs, events: ['error'] })).errors
    expect(await within(2 * coversMs)).toBe(units)
    expect(await within(minuteMs)).toBeGreaterThanOrEqual(5)
    expect(await within(minuteMs)).toBeLessThanOrEqual(15)
    const breakers = [{ kind: 'errors', windowMs: minuteMs, minCount: 1, minRate: 0, events: ['error'] }] as const
    const sources = await telemetry.evidence.sources({ environment, task, candidate, seqs: [seq], breakers })
    const told = sources.map((source) => source.windows[0]?.errors ?? 0)
    expect(Math.max(...told)).toBeLessThanOrEqual(15)
    expect(await telemetry.read.stepUnits({ environment, task, seqs: [seq] })).toMatchObject({ candidate: units })
  })
})
