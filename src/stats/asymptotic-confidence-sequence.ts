import type { Interval } from './binomial-interval'
import { largestRatioWhere, ratioLimit } from './bisect'
import { finiteLog } from './log-space'
import { type MeanDifference, type MeanStratum, stratifiedDifference } from './mean-difference'

/** Closed units wanted in the smaller arm before an asymptotic statement is made. */
export const burnInUnits = 50
/** Information time at which the boundary is tightest: about where a shift of a third of a deviation shows. */
const tunedFor = 500

/**
 * The tuning constant ρ of Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (Time-uniform central limit theory and
 * asymptotic confidence sequences, 2021/2024), one-sided: sqrt((−2 ln 2α + ln(−2 ln 2α) + 1) / t*), here squared.
 */
function tuningSquared(alpha: number): number {
  const level = -2 * Math.log(Math.min(0.5, 2 * alpha))
  return (level + Math.log(level) + 1) / tunedFor
}

/**
 * One-sided lower bound, uniform over time at level 1 − `alpha`:
 * estimate − σ sqrt(2 (tρ² + 1) / (t²ρ²) · ln(1 + sqrt(tρ² + 1) / 2α)), σ² = t × variance, t = information.
 *
 * Guarantee: asymptotic (coverage tends to 1 − α as the burn-in grows); wants finite 2 + δ moments and `burnInUnits` in
 * the smaller arm, below which the bound is absent.
 */
export function lowerBound(difference: MeanDifference | undefined, alpha: number): number | undefined {
  if (difference === undefined || !(difference.smallerArm >= burnInUnits)) return undefined
  const { estimate, variance, information } = difference
  const spread = information * tuningSquared(alpha)
  const width = Math.sqrt(2 * variance * (1 + 1 / spread) * Math.log(1 + Math.sqrt(spread + 1) / (2 * alpha)))
  return estimate - width
}

/**
 * The same as evidence: log of the largest 1/α' at which the lower bound, tuned for `alpha`, is above zero. It is an
 * asymptotic e-process (bounded by the half-normal mixture martingale), so it compares with 1/α as exact ones do.
 * 0 (no evidence) before the burn-in or where the estimate is not positive.
 */
export function logEvidenceAbove(difference: MeanDifference | undefined, alpha: number): number {
  if (difference === undefined || !(difference.smallerArm >= burnInUnits)) return 0
  const { estimate, variance, information } = difference
  if (!(estimate > 0)) return 0
  const spread = information * tuningSquared(alpha)
  const exponent = (estimate * estimate) / (2 * Math.max(variance, Number.MIN_VALUE) * (1 + 1 / spread))
  // ln(2 (e^x − 1)); for a large x the 1 is lost in any case, and e^x would overflow.
  const log = exponent > 30 ? exponent + Math.LN2 : Math.log(2 * Math.expm1(exponent))
  return finiteLog(log - 0.5 * Math.log1p(spread))
}

/** Evidence for the other side: that the difference is below zero. */
export function logEvidenceBelow(difference: MeanDifference | undefined, alpha: number): number {
  return logEvidenceAbove(difference && { ...difference, estimate: -difference.estimate }, alpha)
}

/**
 * Confidence sequence for mean(B) / mean(A), each side at `alpha`: all factors f at which neither side of mB − f mA is
 * shown. Asymptotic like the bound. [0, Infinity] before the burn-in.
 */
export function meanRatioInterval(strata: readonly MeanStratum[], alpha: number): Interval {
  const limit = Math.log(1 / alpha)
  return {
    lower: Math.min(
      ratioLimit,
      largestRatioWhere((ratio) => logEvidenceAbove(stratifiedDifference(strata, ratio), alpha) >= limit),
    ),
    upper: largestRatioWhere((ratio) => logEvidenceBelow(stratifiedDifference(strata, ratio), alpha) < limit),
  }
}
