import fc from 'fast-check'
import { type GroupedValue, groupedShare, groupedTest, quantileOf } from '../../../src/stats/grouped'
import { incompleteBeta, studentCdf, studentQuantile } from '../../../src/stats/student-t'

const defined = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('undefined')
  return value
}
const ungrouped = (values: readonly number[]): GroupedValue[] =>
  values.map((value, index) => ({ group: `g${index}`, value }))

describe("Student's distribution", () => {
  /** Tables of any textbook, to the digits they print. */
  it.each([
    [0.975, 1, 12.7062],
    [0.975, 4, 2.7764],
    [0.95, 10, 1.8125],
    [0.975, 49, 2.0096],
    [0.995, 30, 2.75],
    [0.975, 1000, 1.9623],
  ])('has the quantile %d at %d degrees of freedom', (p, freedom, t) => {
    expect(studentQuantile(p, freedom)).toBeCloseTo(t, 3)
    expect(studentQuantile(1 - p, freedom)).toBeCloseTo(-t, 3)
  })
  it('has the closed forms of one and two degrees of freedom', () => {
    for (const t of [-7, -1, 0, 0.3, 2, 50]) {
      expect(studentCdf(t, 1)).toBeCloseTo(0.5 + Math.atan(t) / Math.PI, 12)
      expect(studentCdf(t, 2)).toBeCloseTo(0.5 + t / (2 * Math.sqrt(2 + t * t)), 12)
    }
    expect(studentCdf(Number.POSITIVE_INFINITY, 3)).toBe(1)
    expect(studentCdf(Number.NEGATIVE_INFINITY, 3)).toBe(0)
  })
  it('inverts itself', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.001, max: 0.999, noNaN: true }),
        fc.integer({ min: 1, max: 300 }),
        (p, freedom) => {
          expect(studentCdf(studentQuantile(p, freedom), freedom)).toBeCloseTo(p, 8)
        },
      ),
    )
  })
  it('has the incomplete beta function as a share', () => {
    expect(incompleteBeta(0, 2, 3)).toBe(0)
    expect(incompleteBeta(1, 2, 3)).toBe(1)
    expect(incompleteBeta(0.3, 1, 1)).toBeCloseTo(0.3, 12)
    expect(incompleteBeta(0.25, 2, 2)).toBeCloseTo(3 * 0.25 ** 2 - 2 * 0.25 ** 3, 12)
  })
})

describe('a mean by groups', () => {
  it("is Student's one-sample test where every value is a group of its own", () => {
    const values = [0.2, -0.4, 1.3, 0.7, 0.9, -0.1]
    const found = defined(groupedTest(ungrouped(values)))
    const mean = values.reduce((sum, value) => sum + value, 0) / 6
    const error = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 5 / 6)
    expect(found.standardError).toBeCloseTo(error, 12)
    expect(found.upper - found.mean).toBeCloseTo(2.5706 * error, 4)
    expect(found.pAbove + found.pBelow).toBeCloseTo(1, 12)
    expect(found.pAbove).toBeLessThan(found.pBelow)
  })
  it('does not gain from values that repeat within their group', () => {
    const once = ungrouped([0, 1, 1, 0, 1, 0, 0, 0])
    const fourTimes = once.flatMap((one) => [one, one, one, one])
    expect(defined(groupedTest(fourTimes)).standardError).toBeCloseTo(
      defined(defined(groupedTest(once)).standardError),
      12,
    )
    const narrow = groupedShare(ungrouped(fourTimes.map(({ value }) => value)))
    const honest = groupedShare(fourTimes)
    expect(honest.upper - honest.lower).toBeGreaterThan(1.5 * (narrow.upper - narrow.lower))
  })
  it('knows nothing from one group, or from no values', () => {
    expect(groupedTest([])).toBeUndefined()
    expect(groupedTest([{ group: 'a', value: 0.5 }])).toMatchObject({ pBelow: 0.5, upper: Number.POSITIVE_INFINITY })
    expect(groupedShare([])).toEqual({ mean: 0, lower: 0, upper: 1 })
    expect(groupedShare([{ group: 'a', value: 1 }])).toEqual({ mean: 1, lower: 0, upper: 1 })
  })
  it('takes equal differences as certain only in their sign', () => {
    expect(groupedTest(ungrouped([0, 0, 0]))).toMatchObject({ mean: 0, pBelow: 0.5, lower: 0, upper: 0 })
    expect(groupedTest(ungrouped([-1, -1, -1]))).toMatchObject({ pBelow: 0 })
  })
  it('stays within 0 and 1 and holds its mean, whatever the shares', () => {
    const value = fc.record({ group: fc.constantFrom('a', 'b', 'c', 'd', 'e'), value: fc.constantFrom(0, 1) })
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 60 }), (values) => {
        const { mean, lower, upper } = groupedShare(values)
        expect(lower).toBeGreaterThanOrEqual(0)
        expect(upper).toBeLessThanOrEqual(1)
        expect(lower).toBeLessThanOrEqual(mean + 1e-12)
        expect(upper).toBeGreaterThanOrEqual(mean - 1e-12)
      }),
    )
  })
  it('does not depend on the order of the values', () => {
    const value = fc.record({
      group: fc.constantFrom('a', 'b', 'c'),
      value: fc.integer({ min: -4, max: 4 }).map((quarters) => quarters / 4),
    })
    fc.assert(
      fc.property(fc.array(value, { minLength: 2, maxLength: 30 }), (values) => {
        const there = defined(groupedTest(values))
        const back = defined(groupedTest([...values].reverse()))
        expect(back.mean).toBeCloseTo(there.mean, 10)
        expect(back.pBelow).toBeCloseTo(there.pBelow, 6)
      }),
    )
  })
})

describe('the interval of a share by groups', () => {
  /** 50 groups of four with an intra-class correlation of 0.4, as the airline cases have. */
  it('covers the truth about as often as it says', () => {
    let state = 12_345
    const random = () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return state / 2 ** 32
    }
    let covered = 0
    const runs = 2_000
    for (let run = 0; run < runs; run += 1) {
      const values: GroupedValue[] = []
      for (let group = 0; group < 50; group += 1) {
        const shared = random() < 0.42 ? 1 : 0
        for (let trial = 0; trial < 4; trial += 1) {
          const value = random() < Math.sqrt(0.4) ? shared : random() < 0.42 ? 1 : 0
          values.push({ group: `g${group}`, value })
        }
      }
      const { lower, upper } = groupedShare(values)
      if (lower <= 0.42 && 0.42 <= upper) covered += 1
    }
    expect(covered / runs).toBeGreaterThan(0.93)
    expect(covered / runs).toBeLessThan(0.975)
  })
})

it('takes quantiles as values that occurred', () => {
  expect(quantileOf([], 0.5)).toBeUndefined()
  expect(quantileOf([3, 1, 2], 0.5)).toBe(2)
  expect(quantileOf([...Array(100).keys()], 0.95)).toBe(94)
  expect(quantileOf([5], 0)).toBe(5)
})
