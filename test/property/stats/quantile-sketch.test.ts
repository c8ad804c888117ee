import fc from 'fast-check'
import { quantileOf } from '../../../src/stats/grouped'
import {
  binOf,
  countOf,
  largestTold,
  mergeSketches,
  mostBins,
  quantileIn,
  relativeError,
  sketchOf,
  smallestTold,
} from '../../../src/stats/quantile-sketch'
import { runs } from '../../support/effort'

/** Evenly over the orders of magnitude, as money and time are. */
const told = fc
  .double({ min: Math.log(smallestTold), max: Math.log(largestTold), noNaN: true })
  .map((logarithm) => Math.min(largestTold, Math.max(smallestTold, Math.exp(logarithm))))
const values = fc.array(fc.oneof(told, fc.constant(0), fc.integer({ min: 1, max: 5000 })), { maxLength: 200 })
const part = fc.double({ min: 0, max: 1, noNaN: true })

describe('the quantile sketch', () => {
  it('tells every quantile within its relative error', () => {
    fc.assert(
      fc.property(values, part, (list, q) => {
        const exact = quantileOf(list, q)
        const sketched = quantileIn(sketchOf(list), q)
        if (exact === undefined) expect(sketched).toBeUndefined()
        else expect(Math.abs((sketched ?? -1) - exact)).toBeLessThanOrEqual(exact * relativeError * (1 + 1e-9))
      }),
      { numRuns: runs(500) },
    )
  })

  it('merges in any order and grouping to the sketch of all values', () => {
    fc.assert(
      fc.property(values, values, values, (one, two, three) => {
        const [a, b, c] = [sketchOf(one), sketchOf(two), sketchOf(three)]
        const whole = sketchOf([...one, ...two, ...three])
        expect(mergeSketches(mergeSketches(a, b), c)).toEqual(whole)
        expect(mergeSketches(a, mergeSketches(b, c))).toEqual(whole)
        expect(mergeSketches(c, mergeSketches(b, a))).toEqual(whole)
        expect(mergeSketches(whole, {})).toEqual(whole)
        expect(countOf(whole)).toBe(one.length + two.length + three.length)
      }),
    )
  })

  it('has a bounded number of bins, whatever it is given', () => {
    fc.assert(
      fc.property(fc.double(), (value) => {
        const [lowest, highest] = [Number(binOf(0)), Number(binOf(Number.POSITIVE_INFINITY))]
        expect(highest - lowest + 1).toBe(mostBins)
        expect(Number(binOf(value))).toBeGreaterThanOrEqual(lowest)
        expect(Number(binOf(value))).toBeLessThanOrEqual(highest)
        expect(quantileIn({ [binOf(value)]: 1 }, 0.5)).toBeGreaterThanOrEqual(0)
      }),
    )
  })
})
