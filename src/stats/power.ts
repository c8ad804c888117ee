import { lowerBound } from './asymptotic-confidence-sequence'

/** What a forecast assumes; ratios are B to A, rates are per unit. */
interface Assumption {
  /** Share of B, strictly between 0 and 1. */
  readonly share: number
  /** True ratio to be found: 1.2 is 20 % worse. */
  readonly effect: number
  /** Tolerated ratio less one, as in the test. */
  readonly margin: number
  /** Level of this one test. */
  readonly alpha: number
  /** Standard normal quantile of the wanted probability to have found it: 0.84 for 80 %. */
  readonly certainty?: number
}

const likely = 0.8416212335729143
const tilts = [1.25, 1.5, 2, 3, 5] as const
/** A forecast beyond this many units is no forecast. */
const largestForecast = 1e12

/**
 * Units (both arms) after which the grid e-process of `rate-ratio.ts` likely alarms. The best tilt's log likelihood ratio
 * is a random walk of drift g and variance v per unit; the answer solves n g − z sqrt(n v) = ln(5/α). Approximate: right
 * within about a third in simulation. Absent where the effect is within the margin or the rate is zero.
 */
export function unitsToFindRatio(assumption: Assumption & { readonly baseRate: number }): number | undefined {
  const { share, effect, margin, alpha, baseRate, certainty = likely } = assumption
  const nullRatio = 1 + margin
  if (!(share > 0 && share < 1 && effect > nullRatio && baseRate > 0)) return undefined
  const events = baseRate * (1 + share * (effect - 1))
  const inB = (share * effect) / (1 + share * (effect - 1))
  let best: number | undefined
  for (const tilt of tilts) {
    const loss = Math.log1p(share * (nullRatio - 1)) - Math.log1p(share * (nullRatio * tilt - 1))
    const gain = Math.log(tilt) + loss
    const drift = events * (inB * gain + (1 - inB) * loss)
    const variance = events * (inB * gain * gain + (1 - inB) * loss * loss) - drift * drift
    if (!(drift > 0)) continue
    const limit = Math.log(tilts.length / alpha)
    const root =
      (certainty * Math.sqrt(variance) + Math.sqrt(certainty ** 2 * variance + 4 * drift * limit)) / (2 * drift)
    best = Math.min(best ?? Number.POSITIVE_INFINITY, root * root)
  }
  return best !== undefined && best <= largestForecast ? Math.ceil(best) : undefined
}

/**
 * Units (both arms) after which the confidence sequence of the mean likely excludes the margin. `variation` is the
 * coefficient of variation of one unit's value (lognormal with σ = 1: 1.31). Absent where it cannot be found.
 */
export function unitsToFindMeanRatio(assumption: Assumption & { readonly variation: number }): number | undefined {
  const { share, effect, margin, alpha, variation, certainty = likely } = assumption
  if (!(share > 0 && share < 1 && effect > 1 + margin && variation >= 0)) return undefined
  const found = (units: number): boolean => {
    const perUnit = (effect * variation) ** 2 / share + ((1 + margin) * variation) ** 2 / (1 - share)
    const variance = perUnit / units
    const estimate = effect - 1 - margin - certainty * Math.sqrt(variance)
    const smallerArm = units * Math.min(share, 1 - share)
    const bound = lowerBound({ estimate, variance, information: 4 * units * share * (1 - share), smallerArm }, alpha)
    return bound !== undefined && bound > 0
  }
  let high = 1
  while (!found(high)) {
    high *= 2
    if (high > largestForecast) return undefined
  }
  let low = high / 2
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (found(middle)) high = middle
    else low = middle
  }
  return Math.ceil(high)
}

/** Hours until so many units have come, at a steady rate. Absent without traffic. */
export const hoursFor = (units: number | undefined, unitsPerHour: number): number | undefined =>
  units === undefined || !(unitsPerHour > 0) ? undefined : units / unitsPerHour
