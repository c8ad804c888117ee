import { logEvalueRatioAbove, logEvalueRatioBelow, rateRatioInterval } from '../../../src/stats/rate-ratio'

/** The e-value written out event by event, in the order of the paper and without logarithms. */
function productOfFactors(events: readonly { onB: boolean; share: number }[], nullRatio: number): number {
  const grid = [1.25, 1.5, 2, 3, 5].map((tilt) => tilt * nullRatio)
  const terms = grid.map((ratio) =>
    events.reduce((product, { onB, share }) => {
      const probability = (at: number): number => (share * at) / (1 + share * (at - 1))
      const likelihood = (at: number): number => (onB ? probability(at) : 1 - probability(at))
      return (product * likelihood(ratio)) / likelihood(nullRatio)
    }, 1),
  )
  return terms.reduce((sum, term) => sum + term, 0) / terms.length
}

describe('the rate-ratio e-process', () => {
  it('is the mean over the grid of the likelihood ratios of the arms, event by event', () => {
    const events = [
      ...Array.from({ length: 9 }, () => ({ onB: true, share: 0.1 })),
      ...Array.from({ length: 21 }, () => ({ onB: false, share: 0.1 })),
      ...Array.from({ length: 14 }, () => ({ onB: true, share: 0.5 })),
      ...Array.from({ length: 8 }, () => ({ onB: false, share: 0.5 })),
    ]
    const strata = [
      { a: 21, b: 9, share: 0.1 },
      { a: 8, b: 14, share: 0.5 },
    ]
    expect(Math.exp(logEvalueRatioAbove(strata, 1.25))).toBeCloseTo(productOfFactors(events, 1.25), 10)
  })

  it.each([
    ['no strata', []],
    ['no events', [{ a: 0, b: 0, share: 0.5 }]],
    ['no control', [{ a: 3, b: 80, share: 1 }]],
    ['no candidate', [{ a: 80, b: 0, share: 0 }]],
    ['a broken count', [{ a: Number.NaN, b: 80, share: 0.5 }]],
  ])('says nothing of %s', (_, strata) => {
    expect(logEvalueRatioAbove(strata, 1.25)).toBe(0)
    expect(logEvalueRatioBelow(strata, 1.25)).toBe(0)
  })

  it('does not convict on three failures out of three, and does on twelve', () => {
    expect(logEvalueRatioAbove([{ a: 0, b: 3, share: 0.5 }], 1.25)).toBeLessThan(Math.log(20))
    expect(logEvalueRatioAbove([{ a: 0, b: 12, share: 0.5 }], 1.25)).toBeGreaterThan(Math.log(20))
  })

  it('certifies a candidate that is as good, given enough events', () => {
    expect(logEvalueRatioBelow([{ a: 400, b: 400, share: 0.5 }], 1.5)).toBeGreaterThan(Math.log(20))
    expect(logEvalueRatioBelow([{ a: 400, b: 600, share: 0.5 }], 1.5)).toBeLessThan(Math.log(20))
  })

  it('brackets the estimate, ever closer', () => {
    const few = rateRatioInterval([{ a: 20, b: 40, share: 0.5 }], 0.05)
    const many = rateRatioInterval([{ a: 2000, b: 4000, share: 0.5 }], 0.05)
    expect(few.lower).toBeLessThan(many.lower)
    expect(many.lower).toBeLessThan(2)
    expect(many.lower).toBeGreaterThan(1.6)
    expect(many.upper).toBeGreaterThan(2)
    expect(many.upper).toBeLessThan(few.upper)
    expect(rateRatioInterval([], 0.05)).toEqual({ lower: 0, upper: Number.POSITIVE_INFINITY })
  })
})
