import { finiteLog, logMeanExp } from './log-space'

/** Units of one stratum by output class (first class seen of a unit), by arm; `share` = P(a unit is assigned to B). */
export interface ClassStratum {
  readonly a: Readonly<Record<string, number>>
  readonly b: Readonly<Record<string, number>>
  readonly share: number
}

/** Odds multiples that the mixture bets on, both ways. */
const tilts = [1 / 3, 1 / 2, 1 / 1.5, 1 / 1.25, 1.25, 1.5, 2, 3] as const

/**
 * log e-value against H0 "the arm of a unit does not depend on its class": two-sided. Per class a tilt grid over strata,
 * E_j = mean_r Π_s r^kB / (1 + ρ_s (r − 1))^n; then (product over classes + mean over classes) / 2, strong for a dense shift
 * and for one rare class alike. Exact and anytime-valid, since a unit moves the factor of its own class only. It also
 * reacts to a wrong sample ratio, which therefore is tested first.
 */
export function logEvalueClassShift(strata: readonly ClassStratum[]): number {
  const classes = new Set(strata.flatMap(({ a, b }) => [...Object.keys(a), ...Object.keys(b)]))
  const logs = [...classes].map((name) => logMeanExp(tilts.map((tilt) => logTilt(strata, name, tilt))))
  if (logs.length === 0) return 0
  const product = finiteLog(logs.reduce((sum, log) => sum + log, 0))
  return logMeanExp([product, logMeanExp(logs)])
}

function logTilt(strata: readonly ClassStratum[], name: string, tilt: number): number {
  let sum = 0
  for (const { a, b, share } of strata) {
    if (!(share > 0 && share < 1)) continue
    const countA = a[name] ?? 0
    const countB = b[name] ?? 0
    if (!(countA >= 0 && countB >= 0)) continue
    sum += countB * Math.log(tilt) - (countA + countB) * Math.log1p(share * (tilt - 1))
  }
  return finiteLog(sum)
}
