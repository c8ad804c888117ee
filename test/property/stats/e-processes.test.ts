import fc from 'fast-check'
import { type ClassStratum, logEvalueMultinomialShift } from '../../../src/stats/multinomial-shift'
import { type EventStratum, logEvalueRatioAbove, logEvalueRatioBelow } from '../../../src/stats/rate-ratio'
import { logEvalueRatioMismatch } from '../../../src/stats/sample-ratio'

const share = fc.double({ min: 0.005, max: 0.995, noNaN: true })
const stratum = (largest: number): fc.Arbitrary<EventStratum> =>
  fc.record({ a: fc.nat(largest), b: fc.nat(largest), share })
const strata = fc.array(stratum(300), { minLength: 1, maxLength: 6 })
const anyStrata = fc.array(stratum(2_000_000_000), { maxLength: 6 })
const nullRatio = fc.double({ min: 1, max: 2, noNaN: true })

/** `strata` with one more unit in the stratum at `index`. */
const plus = (rows: readonly EventStratum[], index: number, arm: 'a' | 'b'): EventStratum[] =>
  rows.map((row, at) => (at === index ? { ...row, [arm]: row[arm] + 1 } : row))

/**
 * The one-step drift of an e-process: with probability θ the next event is B's. Under the null the expected e-value is no
 * more than the present one. Relative to it, so that the size of the state does not matter.
 */
function drift(now: number, nextOnB: number, nextOnA: number, theta: number): number {
  return theta * Math.exp(nextOnB - now) + (1 - theta) * Math.exp(nextOnA - now)
}

const rounding = 1 + 1e-9
/** Given an event, the probability that it is B's, at a ratio of rates. */
const probabilityOfB = (at: number, ratio: number): number => (at * ratio) / (1 + at * (ratio - 1))

describe('every e-process is a supermartingale under its null', () => {
  it('rate ratio above: at the margin, and anywhere below it', () => {
    fc.assert(
      fc.property(
        strata,
        nullRatio,
        fc.double({ min: 0.1, max: 1, noNaN: true }),
        fc.nat(),
        (rows, ratio, part, pick) => {
          const index = pick % rows.length
          const theta = probabilityOfB(rows[index]?.share ?? 0, ratio * part)
          const log = (state: readonly EventStratum[]): number => logEvalueRatioAbove(state, ratio)
          expect(drift(log(rows), log(plus(rows, index, 'b')), log(plus(rows, index, 'a')), theta)).toBeLessThan(
            rounding,
          )
        },
      ),
    )
  })

  it('rate ratio above: exactly at the margin it is a martingale', () => {
    fc.assert(
      fc.property(strata, nullRatio, fc.nat(), (rows, ratio, pick) => {
        const index = pick % rows.length
        const theta = probabilityOfB(rows[index]?.share ?? 0, ratio)
        const log = (state: readonly EventStratum[]): number => logEvalueRatioAbove(state, ratio)
        expect(drift(log(rows), log(plus(rows, index, 'b')), log(plus(rows, index, 'a')), theta)).toBeCloseTo(1, 8)
      }),
    )
  })

  it('rate ratio below: at the margin, and anywhere above it', () => {
    fc.assert(
      fc.property(
        strata,
        nullRatio,
        fc.double({ min: 1, max: 8, noNaN: true }),
        fc.nat(),
        (rows, ratio, times, pick) => {
          const index = pick % rows.length
          const theta = probabilityOfB(rows[index]?.share ?? 0, ratio * times)
          const log = (state: readonly EventStratum[]): number => logEvalueRatioBelow(state, ratio)
          expect(drift(log(rows), log(plus(rows, index, 'b')), log(plus(rows, index, 'a')), theta)).toBeLessThan(
            rounding,
          )
        },
      ),
    )
  })

  it('sample ratio: at the intended shares', () => {
    fc.assert(
      fc.property(strata, fc.nat(), (rows, pick) => {
        const index = pick % rows.length
        const log = logEvalueRatioMismatch
        const theta = rows[index]?.share ?? 0
        expect(drift(log(rows), log(plus(rows, index, 'b')), log(plus(rows, index, 'a')), theta)).toBeCloseTo(1, 8)
      }),
    )
  })

  it('multinomial shift: whatever class comes next, seen before or not, named or not', () => {
    const classes = fc.record({ low: fc.nat(80), high: fc.nat(80) })
    const mixes: fc.Arbitrary<ClassStratum[]> = fc.array(fc.record({ a: classes, b: classes, share }), {
      minLength: 1,
      maxLength: 4,
    })
    fc.assert(
      fc.property(mixes, fc.nat(), fc.constantFrom('low', 'high', 'rare', 'unnamed'), (rows, pick, name) => {
        const index = pick % rows.length
        const next = (arm: 'a' | 'b'): ClassStratum[] =>
          rows.map((row, at) =>
            at === index ? { ...row, [arm]: { ...row[arm], [name]: (row[arm][name] ?? 0) + 1 } } : row,
          )
        const log = (state: readonly ClassStratum[]): number =>
          logEvalueMultinomialShift(state, ['low', 'high', 'rare'])
        expect(drift(log(rows), log(next('b')), log(next('a')), rows[index]?.share ?? 0)).toBeCloseTo(1, 8)
      }),
    )
  })
})

describe('evidence', () => {
  it('is finite for any count', () => {
    fc.assert(
      fc.property(anyStrata, fc.double({ min: 0, max: 5, noNaN: true }), (rows, ratio) => {
        for (const log of [
          logEvalueRatioAbove(rows, ratio),
          logEvalueRatioBelow(rows, ratio),
          logEvalueRatioMismatch(rows),
        ]) {
          expect(Number.isFinite(log)).toBe(true)
        }
      }),
    )
  })

  it('does not change when strata of one share are merged, or their order', () => {
    fc.assert(
      fc.property(strata, stratum(300), stratum(300), nullRatio, (rows, left, right, ratio) => {
        const merged = { a: left.a + right.a, b: left.b + right.b, share: left.share }
        const split = [...rows, left, { ...right, share: left.share }]
        expect(logEvalueRatioAbove([merged, ...rows], ratio)).toBeCloseTo(logEvalueRatioAbove(split, ratio), 6)
        expect(logEvalueRatioBelow([merged, ...rows], ratio)).toBeCloseTo(logEvalueRatioBelow(split, ratio), 6)
      }),
    )
  })

  it('never falls with one more event of B, and never rises with one more of A', () => {
    fc.assert(
      fc.property(strata, nullRatio, fc.nat(), (rows, ratio, pick) => {
        const index = pick % rows.length
        const now = logEvalueRatioAbove(rows, ratio)
        expect(logEvalueRatioAbove(plus(rows, index, 'b'), ratio)).toBeGreaterThanOrEqual(now)
        expect(logEvalueRatioAbove(plus(rows, index, 'a'), ratio)).toBeLessThanOrEqual(now)
        const certificate = logEvalueRatioBelow(rows, ratio)
        expect(logEvalueRatioBelow(plus(rows, index, 'b'), ratio)).toBeLessThanOrEqual(certificate)
      }),
    )
  })

  it('falls as the tolerated ratio grows, so that a bound can be found by bisection', () => {
    fc.assert(
      fc.property(strata, nullRatio, fc.double({ min: 1.001, max: 4, noNaN: true }), (rows, ratio, times) => {
        expect(logEvalueRatioAbove(rows, ratio * times)).toBeLessThanOrEqual(logEvalueRatioAbove(rows, ratio) + 1e-9)
        expect(logEvalueRatioBelow(rows, ratio * times)).toBeGreaterThanOrEqual(logEvalueRatioBelow(rows, ratio) - 1e-9)
      }),
    )
  })
})
