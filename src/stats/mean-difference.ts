import { meanOf, type SampleMoments, varianceOf } from './moments'

/** Values of one stratum by arm: A the control, B the treatment; `share` = P(a unit is assigned to B). */
export interface MeanStratum {
  readonly a: SampleMoments
  readonly b: SampleMoments
  readonly share: number
}

/** An estimate of mean(B) − factor × mean(A), stratified, with what a sequential test of it needs. */
export interface MeanDifference {
  readonly estimate: number
  /** Estimated variance of the estimate. */
  readonly variance: number
  /**
   * Information time: 4 Σ n ρ (1 − ρ), the number of units that would know as much at a share of one half.
   */
  readonly information: number
  /** Units in the smaller arm, over the strata used. */
  readonly smallerArm: number
}

/**
 * D = Σ w_s (mB_s − f mA_s), w_s ∝ n_s ρ_s (1 − ρ_s), variance Σ w_s² (vB/nB + f² vA/nA), in which max(vA, vB) stands for
 * the variance of the arm with the smaller share. Absent where no stratum has two values in each arm.
 *
 * The weights make information × D a sum over units whatever the ramp, which is what a sequential boundary needs; a time
 * of plain unit counts would let one stratum's past be rescaled by another's arrival. The larger variance is taken for the
 * smaller arm: there a low mean of skewed values comes with a low variance of the same sample, and D looks surer than it
 * is. Of harmless candidates nearly a fifth would alarm at a share of 95 %, and up to half at small shares where a low mean
 * is the harm. `offset` is taken off the estimate.
 */
export function stratifiedDifference(
  strata: readonly MeanStratum[],
  factor: number,
  offset = 0,
): MeanDifference | undefined {
  let weights = 0
  let sum = 0
  let variance = 0
  let unitsA = 0
  let unitsB = 0
  for (const { a, b, share } of strata) {
    if (!(share > 0 && share < 1)) continue
    const varianceA = varianceOf(a)
    const varianceB = varianceOf(b)
    if (varianceA === undefined || varianceB === undefined) continue
    const weight = (a.n + b.n) * share * (1 - share)
    const larger = Math.max(varianceA, varianceB)
    const [safeA, safeB] = [share > 0.5 ? larger : varianceA, share < 0.5 ? larger : varianceB]
    weights += weight
    sum += weight * ((meanOf(b) ?? 0) - factor * (meanOf(a) ?? 0) - offset)
    variance += weight * weight * (safeB / b.n + (factor * factor * safeA) / a.n)
    unitsA += a.n
    unitsB += b.n
  }
  const estimate = sum / weights
  const result = { estimate, variance: variance / (weights * weights), information: 4 * weights }
  if (!Number.isFinite(estimate) || !Number.isFinite(result.variance)) return undefined
  return { ...result, smallerArm: Math.min(unitsA, unitsB) }
}

/** Whether most of the information comes from strata where B has the larger share: Σ n ρ (1 − ρ) either side of 1/2. */
export function mostlyTreated(strata: readonly MeanStratum[]): boolean {
  let over = 0
  let others = 0
  for (const { a, b, share } of strata) {
    if (!(share > 0 && share < 1)) continue
    const weight = (a.n + b.n) * share * (1 - share)
    if (share > 0.5) over += weight
    else others += weight
  }
  return over > others
}
