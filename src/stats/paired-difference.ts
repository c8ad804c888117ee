import type { MeanDifference } from './mean-difference'

/** Sums over units that have a value of both arms: A the control, B the treatment. */
export interface PairedMoments {
  readonly n: number
  readonly sumA: number
  readonly sumB: number
  readonly squaresA: number
  readonly squaresB: number
  readonly products: number
}

export const emptyPairs: PairedMoments = { n: 0, sumA: 0, sumB: 0, squaresA: 0, squaresB: 0, products: 0 }

export const addPair = (pairs: PairedMoments, a: number, b: number): PairedMoments => ({
  n: pairs.n + 1,
  sumA: pairs.sumA + a,
  sumB: pairs.sumB + b,
  squaresA: pairs.squaresA + a * a,
  squaresB: pairs.squaresB + b * b,
  products: pairs.products + a * b,
})

/** Part of the means within which two sums are the same. */
const rounding = 1e-12

/**
 * mean(B) − factor × mean(A) − offset over pairs, with the variance of the pairs' own differences: what both arms share
 * of a unit (a long conversation is dear for either) cancels. Information is 2n, as of two arms with n units each, so that
 * a sequential boundary is tuned alike. Absent below two pairs.
 */
export function pairedDifference(pairs: PairedMoments, factor: number, offset = 0): MeanDifference | undefined {
  const { n } = pairs
  if (n < 2) return undefined
  const [meanA, meanB] = [pairs.sumA / n, pairs.sumB / n]
  const varianceA = pairs.squaresA / n - meanA * meanA
  const varianceB = pairs.squaresB / n - meanB * meanB
  const covariance = pairs.products / n - meanA * meanB
  const spread = (varianceB + factor * factor * varianceA - 2 * factor * covariance) * (n / (n - 1))
  const raw = meanB - factor * meanA - offset
  // What sums lost of their last digits is no difference, however little the pairs vary.
  const estimate = Math.abs(raw) <= rounding * (Math.abs(meanB) + Math.abs(factor * meanA) + Math.abs(offset)) ? 0 : raw
  // Sums of squares lose them, too: a difference that is always the same may come out a little below zero.
  const variance = Math.max(0, spread) / n
  if (!Number.isFinite(estimate) || !Number.isFinite(variance)) return undefined
  return { estimate, variance, information: 2 * n, smallerArm: n }
}
