import type { Interval } from './binomial-interval'
import { largestRatioWhere, ratioLimit } from './bisect'
import { finiteLog, logMeanExp } from './log-space'

/** Units with an event in one stratum. A is the control, B the treatment; `share` = P(a unit is assigned to B). */
export interface EventStratum {
  readonly a: number
  readonly b: number
  /** Strictly between 0 and 1; other strata carry no evidence and are passed over. */
  readonly share: number
}

/** Multiples of the tested ratio that the mixtures bet on, equally weighted. */
const tiltsAbove = [1.25, 1.5, 2, 3, 5] as const
const tiltsBelow = [0.85, 0.7, 0.5, 0.3] as const

/**
 * log e-value against H0 "pB / pA ≤ ratio", by the conditional binomial view of Lindon & Malek 2022
 * (Anytime-valid inference for multinomial count data): given that an event happened in a stratum of share ρ, it
 * belongs to B with probability ρr / (1 + ρ(r − 1)), whatever the base rate. A grid over r = ratio × {1.25, 1.5, 2, 3,
 * 5} is mixed: E = mean over r of the product over strata.
 *
 * Guarantee: exact, P(sup E ≥ 1/α) ≤ α (Ville) at any sample size and any stopping; shares may differ between strata
 * and base rates may drift. Units must be the units of assignment, each counted once.
 */
export function logEvalueRatioAbove(strata: readonly EventStratum[], ratio: number): number {
  return logMixture(strata, ratio, tiltsAbove)
}

/** The mirror: log e-value against H0 "pB / pA ≥ ratio". Certifies non-inferiority; exact in the same sense. */
export function logEvalueRatioBelow(strata: readonly EventStratum[], ratio: number): number {
  return logMixture(strata, ratio, tiltsBelow)
}

function logMixture(strata: readonly EventStratum[], ratio: number, tilts: readonly number[]): number {
  if (!(ratio > 0) || !Number.isFinite(ratio)) return 0
  return logMeanExp(tilts.map((tilt) => logLikelihoodRatio(strata, ratio, ratio * tilt)))
}

function logLikelihoodRatio(strata: readonly EventStratum[], nullRatio: number, ratio: number): number {
  const step = Math.log(ratio / nullRatio)
  let sum = 0
  for (const { a, b, share } of strata) {
    if (!(share > 0 && share < 1 && a >= 0 && b >= 0 && a + b > 0)) continue
    sum += b * step + (a + b) * (Math.log1p(share * (nullRatio - 1)) - Math.log1p(share * (ratio - 1)))
  }
  return finiteLog(sum)
}

/**
 * Anytime-valid confidence sequence for pB / pA, each side at `alpha`: all ratios that neither e-process rejects. Both are
 * monotone in the tested ratio. [0, Infinity] where nothing is known; the lower end is at most 1e6.
 */
export function rateRatioInterval(strata: readonly EventStratum[], alpha: number): Interval {
  const limit = Math.log(1 / alpha)
  return {
    lower: Math.min(
      ratioLimit,
      largestRatioWhere((ratio) => logEvalueRatioAbove(strata, ratio) >= limit),
    ),
    upper: largestRatioWhere((ratio) => logEvalueRatioBelow(strata, ratio) < limit),
  }
}
