import { finiteLog, logMeanExp, logSumExp } from './log-space'

/** Units of one stratum by output class (first class seen of a unit), by arm; `share` = P(a unit is assigned to B). */
export interface ClassStratum {
  readonly a: Readonly<Record<string, number>>
  readonly b: Readonly<Record<string, number>>
  readonly share: number
}

/** Odds multiples that the mixture of one class bets on, both ways, and their weights; the last is for a new class. */
const tilts = [
  { tilt: 1 / 2, weight: 0.1 },
  { tilt: 1 / 1.5, weight: 0.18 },
  { tilt: 1 / 1.25, weight: 0.2 },
  { tilt: 1.25, weight: 0.2 },
  { tilt: 1.5, weight: 0.18 },
  { tilt: 2, weight: 0.1 },
  { tilt: 4, weight: 0.04 },
] as const
/** In the product, what is bet on a class that does not move. */
const unmoved = 0.25

/**
 * log e-value against H0 "the arm of a unit does not depend on its class": two-sided, the multinomial test of two samples
 * (Lindon & Malek, Anytime-valid inference for multinomial count data, NeurIPS 2022) seen class by class. Per class a tilt
 * grid over strata, E_j = Σ_r w_r Π_s r^kB / (1 + ρ_s (r − 1))^n; then half the product over classes of (1 + 3 E_j) / 4,
 * strong for a dense shift since a class that does not move costs it a factor of four at most, and half the mean over
 * classes, strong for one rare class.
 *
 * `classes` are named before the first unit is seen; every other name counts as one further class. A list that grew with
 * what was seen would weigh anew what had been lost already, and would be no martingale.
 *
 * Guarantee: exact, P(sup E ≥ 1/α) ≤ α at any sample size and any stopping, since a unit moves the factor of its own class
 * only; shares may differ between strata and the mix may drift. It also reacts to a wrong sample ratio, which therefore is
 * tested first.
 */
export function logEvalueMultinomialShift(strata: readonly ClassStratum[], classes: readonly string[]): number {
  const named = [...new Set(classes)]
  const perClass = [...named.map((name) => strata.map((row) => countsOf(row, name))), others(strata, named)]
  const logs = perClass.map((counts) =>
    logSumExp(tilts.map(({ tilt, weight }) => Math.log(weight) + logTilt(counts, tilt))),
  )
  const factor = (log: number): number => logSumExp([Math.log(unmoved), Math.log1p(-unmoved) + log])
  const product = finiteLog(logs.reduce((sum, log) => sum + factor(log), 0))
  return logMeanExp([product, logMeanExp(logs)])
}

interface Counts {
  readonly a: number
  readonly b: number
  readonly share: number
}

const counted = (counts: Readonly<Record<string, number>>, name: string): number =>
  Object.hasOwn(counts, name) ? (counts[name] ?? 0) : 0

const countsOf = ({ a, b, share }: ClassStratum, name: string): Counts => ({
  a: counted(a, name),
  b: counted(b, name),
  share,
})

function others(strata: readonly ClassStratum[], named: readonly string[]): readonly Counts[] {
  const known = new Set(named)
  const rest = (counts: Readonly<Record<string, number>>): number =>
    Object.entries(counts).reduce((sum, [name, count]) => (known.has(name) ? sum : sum + count), 0)
  return strata.map(({ a, b, share }) => ({ a: rest(a), b: rest(b), share }))
}

function logTilt(strata: readonly Counts[], tilt: number): number {
  let sum = 0
  for (const { a, b, share } of strata) {
    if (!(share > 0 && share < 1 && a >= 0 && b >= 0)) continue
    sum += b * Math.log(tilt) - (a + b) * Math.log1p(share * (tilt - 1))
  }
  return finiteLog(sum)
}
