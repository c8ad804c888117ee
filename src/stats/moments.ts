/** Count, sum and sum of squares of a sample: sufficient for its mean and variance, and mergeable. */
export interface SampleMoments {
  readonly n: number
  readonly sum: number
  readonly sumSquares: number
}

export const emptySample: SampleMoments = { n: 0, sum: 0, sumSquares: 0 }

/** Adds one finite value; a value that is not is left out, since one NaN would void the sums for ever. */
export function addValue(sample: SampleMoments, value: number): SampleMoments {
  if (!Number.isFinite(value)) return sample
  return { n: sample.n + 1, sum: sample.sum + value, sumSquares: sample.sumSquares + value * value }
}

/** Moments of the union of two disjoint samples. Commutative and associative up to rounding; empty is neutral. */
export const mergeSamples = (left: SampleMoments, right: SampleMoments): SampleMoments => ({
  n: left.n + right.n,
  sum: left.sum + right.sum,
  sumSquares: left.sumSquares + right.sumSquares,
})

/** Absent for an empty or broken sample. */
export function meanOf(sample: SampleMoments): number | undefined {
  const mean = sample.n > 0 ? sample.sum / sample.n : Number.NaN
  return Number.isFinite(mean) ? mean : undefined
}

/** Differences of sums lose about 1e-15 of the squared mean; a variance below this part of it is rounding. */
const varianceFloor = 1e-14

/** Unbiased sample variance, never below rounding error; absent for fewer than two values or overflowed sums. */
export function varianceOf(sample: SampleMoments): number | undefined {
  if (!(sample.n >= 2)) return undefined
  const mean = sample.sum / sample.n
  const variance = (sample.sumSquares - sample.sum * mean) / (sample.n - 1)
  const floored = Math.max(variance, varianceFloor * mean * mean)
  return Number.isFinite(floored) ? floored : undefined
}
