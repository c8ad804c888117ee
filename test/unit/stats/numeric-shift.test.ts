import type { SampleMoments } from '../../../src/stats/moments'
import { logEvalueMultinomialShift } from '../../../src/stats/multinomial-shift'
import { cutClass, logEvidenceNumericShift } from '../../../src/stats/numeric-shift'

const alpha = 0.05
const alarmAt = Math.log(1 / alpha)
/** Moments of `n` values with this mean and a deviation of one. */
const sample = (n: number, mean: number): SampleMoments => ({ n, sum: n * mean, sumSquares: n * mean * mean + n - 1 })

describe('the shift of a numeric output', () => {
  it.each([4.3, 3.7])('is found to either side: 4 → %d', (mean) => {
    const evidence = logEvidenceNumericShift([{ a: sample(1000, 4), b: sample(1000, mean), share: 0.5 }], alpha)
    expect(evidence).toBeGreaterThan(alarmAt)
  })

  it('is not found in equal means, nor before the burn-in, nor of nothing', () => {
    const silent = (n: number, mean: number): number =>
      logEvidenceNumericShift([{ a: sample(n, 4), b: sample(n, mean), share: 0.5 }], alpha)
    expect(silent(1000, 4.01)).toBeLessThan(alarmAt)
    expect(silent(49, 9)).toBeLessThan(alarmAt)
    expect(logEvidenceNumericShift([], alpha)).toBeLessThan(alarmAt)
  })

  it('is the same to both sides', () => {
    const up = logEvidenceNumericShift([{ a: sample(500, 4), b: sample(500, 4.2), share: 0.5 }], alpha)
    const down = logEvidenceNumericShift([{ a: sample(500, 4), b: sample(500, 3.8), share: 0.5 }], alpha)
    expect(up).toBeCloseTo(down, 6)
  })

  it('that leaves the mean alone shows in the classes between frozen cuts', () => {
    const cuts = [2, 4, 6]
    expect([1.9, 2, 3.9, 4, 100].map((value) => cutClass(value, cuts))).toEqual(['0', '1', '1', '2', '3'])
    const mix = (values: readonly number[]): Record<string, number> => {
      const counts: Record<string, number> = {}
      for (const value of values) counts[cutClass(value, cuts)] = (counts[cutClass(value, cuts)] ?? 0) + 1
      return counts
    }
    const narrow = Array.from({ length: 300 }, (_, index) => (index % 2 === 0 ? 3.5 : 4.5))
    const wide = Array.from({ length: 300 }, (_, index) => (index % 2 === 0 ? 1 : 7))
    const classes = ['0', '1', '2', '3']
    expect(logEvalueMultinomialShift([{ a: mix(narrow), b: mix(wide), share: 0.5 }], classes)).toBeGreaterThan(alarmAt)
  })
})
