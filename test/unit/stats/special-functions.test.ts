import { wilsonInterval } from '../../../src/stats/binomial-interval'
import { logGamma } from '../../../src/stats/log-gamma'
import { evalueOf, finiteLog, logMeanExp } from '../../../src/stats/log-space'

describe('logGamma', () => {
  it.each([
    [1, 0],
    [2, 0],
    [0.5, 0.5723649429247001],
    [0.1, 2.252712651734206],
    [3.5, 1.2009736023470743],
    [10, 12.801827480081469],
    [19.999, 39.33691368884309],
    [20, 39.339884187199495],
    [171.5, 709.1431630309282],
    [1e6, 12815504.569147611],
  ])('of %d is %d', (x, expected) => {
    expect(Math.abs(logGamma(x) - expected)).toBeLessThanOrEqual(1e-13 + 1e-14 * Math.abs(expected))
  })

  it('satisfies the recurrence across the change of method', () => {
    for (let x = 0.05; x < 60; x += 0.37) {
      expect(Math.abs(logGamma(x + 1) - logGamma(x) - Math.log(x))).toBeLessThan(1e-12)
    }
  })

  it.each([0, -3, Number.NaN, Number.POSITIVE_INFINITY])('is 0 outside its domain: %d', (x) => {
    expect(logGamma(x)).toBe(0)
  })
})

describe('log space', () => {
  it('averages e-values that would overflow', () => {
    expect(logMeanExp([2000, 2000])).toBeCloseTo(2000, 12)
    expect(logMeanExp([0, Math.log(3)])).toBeCloseTo(Math.log(2), 12)
    expect(logMeanExp([])).toBe(0)
  })

  it('never leaves the finite numbers', () => {
    expect(finiteLog(Number.NaN)).toBe(0)
    expect(Number.isFinite(finiteLog(Number.NEGATIVE_INFINITY))).toBe(true)
    expect(Number.isFinite(evalueOf(1e6))).toBe(true)
    expect(evalueOf(-1e300)).toBe(0)
  })
})

describe('wilsonInterval', () => {
  it('gives the textbook interval', () => {
    const { lower, upper } = wilsonInterval(10, 100)
    expect(lower).toBeCloseTo(0.05523, 4)
    expect(upper).toBeCloseTo(0.17437, 4)
  })

  it('knows nothing without trials', () => {
    expect(wilsonInterval(0, 0)).toEqual({ lower: 0, upper: 1 })
  })
})
