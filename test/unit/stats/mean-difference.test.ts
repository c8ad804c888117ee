import {
  burnInUnits,
  logEvidenceAbove,
  logEvidenceBelow,
  lowerBound,
  meanRatioInterval,
} from '../../../src/stats/asymptotic-confidence-sequence'
import { type MeanDifference, mostlyTreated, stratifiedDifference } from '../../../src/stats/mean-difference'
import { addValue, emptySample, meanOf, type SampleMoments, varianceOf } from '../../../src/stats/moments'
import { randomFrom } from '../../../tools/random'

const sampleOf = (values: readonly number[]): SampleMoments => values.reduce(addValue, emptySample)
const repeated = (values: readonly number[], times: number): SampleMoments =>
  sampleOf(Array.from({ length: times }, () => values).flat())

describe('moments', () => {
  it('give mean and unbiased variance', () => {
    const sample = sampleOf([2, 4, 4, 4, 5, 5, 7, 9])
    expect(meanOf(sample)).toBe(5)
    expect(varianceOf(sample)).toBeCloseTo(32 / 7, 12)
  })

  it('are absent for too few values and leave out what is no number', () => {
    expect(meanOf(emptySample)).toBeUndefined()
    expect(varianceOf(sampleOf([1]))).toBeUndefined()
    expect(sampleOf([1, Number.NaN, Number.POSITIVE_INFINITY]).n).toBe(1)
    expect(varianceOf({ n: 3, sum: 1e200, sumSquares: Number.POSITIVE_INFINITY })).toBeUndefined()
  })

  it('never call rounding a negative variance', () => {
    const sample = repeated([0.1], 1000)
    expect(varianceOf(sample)).toBeGreaterThan(0)
    expect(varianceOf(sample)).toBeLessThan(1e-12)
  })
})

describe('stratifiedDifference', () => {
  it('weighs strata by n ρ (1 − ρ) and adds variances', () => {
    const strata = [
      { a: repeated([1, 3], 45), b: repeated([2, 4], 5), share: 0.1 },
      { a: repeated([10, 14], 20), b: repeated([11, 15], 20), share: 0.5 },
    ]
    const [first, second] = [100 * 0.09, 80 * 0.25]
    const weight = first + second
    const difference = stratifiedDifference(strata, 1.1)
    expect(difference?.estimate).toBeCloseTo((first * (3 - 1.1 * 2) + second * (13 - 1.1 * 12)) / weight, 12)
    const variance =
      first ** 2 * (10 / 9 / 10 + (1.21 * (90 / 89)) / 90) + second ** 2 * ((4 * 40) / 39 / 40) * (1 + 1.21)
    expect(difference?.variance).toBeCloseTo(variance / weight ** 2, 12)
    expect(difference?.information).toBeCloseTo(4 * weight, 12)
    expect(difference?.smallerArm).toBe(50)
  })

  it.each([
    ['nothing', []],
    ['one silent arm', [{ a: repeated([1, 2], 50), b: emptySample, share: 0.5 }]],
    ['a share of one', [{ a: repeated([1, 2], 50), b: repeated([1, 2], 50), share: 1 }]],
    [
      'overflowed sums',
      [{ a: { n: 9, sum: 1e200, sumSquares: Number.POSITIVE_INFINITY }, b: repeated([1, 2], 9), share: 0.5 }],
    ],
  ])('is absent for %s', (_, strata) => {
    expect(stratifiedDifference(strata, 1)).toBeUndefined()
  })

  it('takes the larger variance for the smaller arm', () => {
    const wide = repeated([0, 10], 50)
    const narrow = repeated([4, 6], 50)
    const control = (share: number) => stratifiedDifference([{ a: narrow, b: wide, share }], 1)?.variance ?? 0
    expect(control(0.95)).toBeGreaterThan(control(0.5) * 1.5)
    const treated = (share: number) => stratifiedDifference([{ a: wide, b: narrow, share }], 1)?.variance ?? 0
    expect(treated(0.05)).toBeGreaterThan(treated(0.5) * 1.5)
  })

  it('knows on which side of one half most information lies', () => {
    const some = repeated([1, 2], 50)
    expect(mostlyTreated([{ a: some, b: some, share: 0.95 }])).toBe(true)
    expect(
      mostlyTreated([
        { a: some, b: some, share: 0.95 },
        { a: some, b: some, share: 0.25 },
      ]),
    ).toBe(false)
    expect(mostlyTreated([])).toBe(false)
  })
})

describe('the asymptotic confidence sequence', () => {
  const difference: MeanDifference = { estimate: 0.3, variance: 0.01, information: 400, smallerArm: 200 }

  it('has the width of the paper', () => {
    const alpha = 0.05
    const level = -2 * Math.log(2 * alpha)
    const tuning = (level + Math.log(level) + 1) / 500
    const [time, deviation] = [400, Math.sqrt(400 * 0.01)]
    const spread = time * tuning
    const width =
      deviation * Math.sqrt(((2 * (spread + 1)) / (time * spread)) * Math.log(1 + Math.sqrt(spread + 1) / (2 * alpha)))
    expect(lowerBound(difference, alpha)).toBeCloseTo(0.3 - width, 12)
  })

  it.each([0.001, 0.01, 0.05, 0.2])('reaches 1/α as evidence exactly where the bound leaves zero (α = %d)', (alpha) => {
    const edge = 0.3 - (lowerBound(difference, alpha) ?? 0)
    const just = (estimate: number): number => logEvidenceAbove({ ...difference, estimate }, alpha)
    expect(just(edge * 1.000001)).toBeGreaterThan(-Math.log(alpha))
    expect(just(edge * 0.999999)).toBeLessThan(-Math.log(alpha))
  })

  it('says nothing before the burn-in', () => {
    const early = { ...difference, smallerArm: burnInUnits - 1, estimate: 100 }
    expect(lowerBound(early, 0.05)).toBeUndefined()
    expect(logEvidenceAbove(early, 0.05)).toBe(0)
    expect(lowerBound(undefined, 0.05)).toBeUndefined()
    expect(logEvidenceBelow(undefined, 0.05)).toBe(0)
  })

  it('stays finite for values without any spread', () => {
    const evidence = logEvidenceAbove({ ...difference, variance: 0 }, 0.05)
    expect(Number.isFinite(evidence)).toBe(true)
    expect(evidence).toBeGreaterThan(100)
  })

  it('mirrors', () => {
    expect(logEvidenceBelow({ ...difference, estimate: -0.3 }, 0.05)).toBe(logEvidenceAbove(difference, 0.05))
  })

  it('brackets the ratio of two means', () => {
    const random = randomFrom(5)
    const draws = (median: number): SampleMoments =>
      sampleOf(Array.from({ length: 2000 }, () => median * Math.exp(0.5 * random.normal())))
    const interval = meanRatioInterval([{ a: draws(1), b: draws(1.5), share: 0.5 }], 0.05)
    expect(interval.lower).toBeGreaterThan(1.3)
    expect(interval.lower).toBeLessThan(1.5)
    expect(interval.upper).toBeGreaterThan(1.5)
    expect(interval.upper).toBeLessThan(1.7)
  })

  it('holds on harmless skewed values at a share of 95 %, where the small control would mislead it', () => {
    let alarms = 0
    for (let seed = 1; seed <= 200; seed += 1) alarms += Number(alarmsAtHoldback(seed))
    expect(alarms).toBeLessThanOrEqual(10)
  })

  it('holds where few of a small arm bought anything and less is worse', () => {
    let alarms = 0
    for (let seed = 1; seed <= 200; seed += 1) alarms += Number(alarmsAtCanary(seed))
    expect(alarms).toBeLessThanOrEqual(10)
  })
})

/** One stream of 10,000 units of which 5 % buy, 5 % of them on B, looked at after every tenth. */
function alarmsAtCanary(seed: number): boolean {
  const random = randomFrom(seed)
  let [a, b] = [emptySample, emptySample]
  for (let index = 1; index <= 10_000; index += 1) {
    const value = random.uniform() < 0.05 ? Math.exp(random.normal()) : 0
    if (random.uniform() < 0.05) b = addValue(b, value)
    else a = addValue(a, value)
    if (index % 10 !== 0) continue
    if (logEvidenceBelow(stratifiedDifference([{ a, b, share: 0.05 }], 1), 0.05) >= Math.log(20)) return true
  }
  return false
}

/** One stream of 4,000 lognormal values, 95 % of them on B, looked at after every tenth. */
function alarmsAtHoldback(seed: number): boolean {
  const random = randomFrom(seed)
  let [a, b] = [emptySample, emptySample]
  for (let index = 1; index <= 4000; index += 1) {
    const value = Math.exp(random.normal())
    if (random.uniform() < 0.95) b = addValue(b, value)
    else a = addValue(a, value)
    if (index % 10 !== 0) continue
    const difference = stratifiedDifference([{ a, b, share: 0.95 }], 1)
    if (logEvidenceAbove(difference, 0.05) >= Math.log(20)) return true
  }
  return false
}
