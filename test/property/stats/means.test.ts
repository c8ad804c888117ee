import fc from 'fast-check'
import { logEvidenceAbove, lowerBound } from '../../../src/stats/asymptotic-confidence-sequence'
import { stratifiedDifference } from '../../../src/stats/mean-difference'
import { addValue, emptySample, meanOf, mergeSamples, type SampleMoments, varianceOf } from '../../../src/stats/moments'

const values = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { maxLength: 40 })
const sampleOf = (list: readonly number[]): SampleMoments => list.reduce(addValue, emptySample)
const close = (left: number, right: number): void =>
  expect(Math.abs(left - right)).toBeLessThanOrEqual(1e-9 * (1 + Math.abs(left)))

describe('moments', () => {
  it('of a union are the merged moments, in any order', () => {
    fc.assert(
      fc.property(values, values, values, (first, second, third) => {
        const whole = sampleOf([...first, ...second, ...third])
        const left = mergeSamples(mergeSamples(sampleOf(first), sampleOf(second)), sampleOf(third))
        const right = mergeSamples(sampleOf(third), mergeSamples(sampleOf(second), sampleOf(first)))
        for (const merged of [left, right]) {
          expect(merged.n).toBe(whole.n)
          close(merged.sum, whole.sum)
          close(merged.sumSquares, whole.sumSquares)
        }
        expect(mergeSamples(whole, emptySample)).toEqual(whole)
      }),
    )
  })

  it('are never a NaN, whatever they were given', () => {
    const rubbish = fc.record({ n: fc.double(), sum: fc.double(), sumSquares: fc.double() })
    const strata = fc.array(fc.record({ a: rubbish, b: rubbish, share: fc.double() }), { maxLength: 4 })
    fc.assert(
      fc.property(strata, fc.double({ min: 0.001, max: 0.5, noNaN: true }), (rows, alpha) => {
        for (const { a } of rows) {
          expect(meanOf(a)).not.toBeNaN()
          expect(varianceOf(a)).not.toBeNaN()
        }
        const difference = stratifiedDifference(rows, 1.25)
        expect(difference?.estimate).not.toBeNaN()
        expect(Number.isFinite(logEvidenceAbove(difference, alpha))).toBe(true)
        expect(lowerBound(difference, alpha)).not.toBeNaN()
      }),
    )
  })
})
