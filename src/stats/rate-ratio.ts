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
    if (!(share > 0 && share < 1 && a >= 0 && b >= 0)) continue
    sum += b * step + (a + b) * (Math.log1p(share * (nullRatio - 1)) - Math.log1p(share * (ratio - 1)))
  }
  return finiteLog(sum)
}

/** The search for a bound ends here: a ratio beyond is shown as unbounded. */
const largestRatio = 1e6
/** Halvings of the logarithmic interval: 28 / 2^40 is far below what anyone prints. */
const bisections = 40

/**
 * Anytime-valid confidence sequence for pB / pA, each side at `alpha`: all ratios that neither e-process rejects.
 * Both are monotone in the tested ratio, so a bisection finds the ends. Range [0, Infinity) where nothing is known.
 */
export function rateRatioInterval(
  strata: readonly EventStratum[],
  alpha: number,
): { readonly lower: number; readonly upper: number } {
  const limit = Math.log(1 / alpha)
  const lower = bisect((ratio) => logEvalueRatioAbove(strata, ratio) >= limit)
  const upper = bisect((ratio) => logEvalueRatioBelow(strata, ratio) < limit)
  return {
    lower: lower <= 1 / largestRatio ? 0 : lower,
    upper: upper >= largestRatio ? Number.POSITIVE_INFINITY : upper,
  }
}

/** The largest ratio for which `holds`, which is true up to some point and false beyond it. */
function bisect(holds: (ratio: number) => boolean): number {
  let low = -Math.log(largestRatio)
  let high = Math.log(largestRatio)
  if (holds(largestRatio)) return largestRatio
  for (let round = 0; round < bisections; round += 1) {
    const middle = (low + high) / 2
    if (holds(Math.exp(middle))) low = middle
    else high = middle
  }
  return Math.exp(low)
}
