import { hoursFor, unitsToFindMeanRatio, unitsToFindRatio } from '../../../src/stats/power'
import { logEvalueRatioAbove } from '../../../src/stats/rate-ratio'
import { randomFrom } from '../../../tools/random'

/** Units after which 80 % of simulated streams have alarmed. */
function simulatedUnits(setting: { share: number; effect: number; margin: number; baseRate: number }): number {
  const streams = 120
  const found = Array.from({ length: streams }, (_, seed) => {
    const random = randomFrom(seed + 1)
    const stratum = { a: 0, b: 0, share: setting.share }
    for (let unit = 1; unit <= 200_000; unit += 1) {
      const onB = random.uniform() < setting.share
      if (random.uniform() >= setting.baseRate * (onB ? setting.effect : 1)) continue
      if (onB) stratum.b += 1
      else stratum.a += 1
      if (logEvalueRatioAbove([stratum], 1 + setting.margin) >= Math.log(20)) return unit
    }
    return Number.POSITIVE_INFINITY
  })
  return found.sort((left, right) => left - right)[Math.floor(0.8 * streams)] ?? Number.POSITIVE_INFINITY
}

describe('the power forecast', () => {
  it.each([
    { share: 0.5, effect: 3, margin: 0, baseRate: 0.01 },
    { share: 0.1, effect: 3, margin: 0.25, baseRate: 0.03 },
    { share: 0.5, effect: 2, margin: 0.25, baseRate: 0.05 },
  ])('is within a third of simulation: %o', (setting) => {
    const forecast = unitsToFindRatio({ ...setting, alpha: 0.05 }) ?? 0
    const simulated = simulatedUnits(setting)
    expect(forecast / simulated).toBeGreaterThan(0.67)
    expect(forecast / simulated).toBeLessThan(1.5)
  })

  it('wants more units for less effect, and none helps within the margin', () => {
    const base = { share: 0.5, margin: 0.1, alpha: 0.05, variation: 1.31 }
    const large = unitsToFindMeanRatio({ ...base, effect: 1.5 }) ?? 0
    const small = unitsToFindMeanRatio({ ...base, effect: 1.2 }) ?? 0
    expect(large).toBeGreaterThanOrEqual(100)
    expect(small).toBeGreaterThan(4 * large)
    expect(unitsToFindMeanRatio({ ...base, effect: 1.1 })).toBeUndefined()
    expect(unitsToFindRatio({ share: 0.5, margin: 0.25, alpha: 0.05, baseRate: 0.01, effect: 1.2 })).toBeUndefined()
  })

  it('has no forecast without errors, control or traffic', () => {
    const base = { effect: 2, margin: 0, alpha: 0.05 }
    expect(unitsToFindRatio({ ...base, share: 0.5, baseRate: 0 })).toBeUndefined()
    expect(unitsToFindRatio({ ...base, share: 1, baseRate: 0.1 })).toBeUndefined()
    expect(hoursFor(undefined, 100)).toBeUndefined()
    expect(hoursFor(500, 0)).toBeUndefined()
    expect(hoursFor(500, 100)).toBe(5)
  })
})
