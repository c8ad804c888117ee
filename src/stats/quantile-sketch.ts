/**
 * A mergeable sketch of positive values for percentiles and pictures: DDSketch (Masson, Rim & Lee, "DDSketch: a fast and
 * fully-mergeable quantile sketch with relative-error guarantees", VLDB 2019). A value is counted in the bin
 * ⌈ln v / ln γ⌉, γ = (1 + e) / (1 − e), and each bin is told by the value that is within e of all in it.
 *
 * Guarantee: a quantile is within `relativeError` of the value of that rank, for values in `smallestTold`..`largestTold`;
 * others are told as those ends, below the smallest as 0. Counts add, so that sketches merge in any order without loss.
 *
 * It is for display. A test needs counts and moments, whose error a bound can name: none may be fed from here.
 */
export const relativeError = 0.02
export const smallestTold = 1e-9
export const largestTold = 1e9

const base = Math.log1p((2 * relativeError) / (1 - relativeError))
const lastBin = Math.ceil(Math.log(largestTold) / base)
/** The bin of zero and of all that is too small to tell from it. */
const zeroBin = Math.ceil(Math.log(smallestTold) / base) - 1

/** Counts by bin; an absent bin is empty. At most `mostBins`, whatever the values. */
export type QuantileSketch = Readonly<Record<string, number>>

export const mostBins = lastBin - zeroBin + 1

/** The bin of a value, as a key. Anything that is no positive number is counted as zero. */
export function binOf(value: number): string {
  if (!(value >= smallestTold)) return String(zeroBin)
  return String(Math.min(lastBin, Math.ceil(Math.log(value) / base)))
}

export const sketchOf = (values: readonly number[]): QuantileSketch =>
  values.reduce<QuantileSketch>((sketch, value) => mergeSketches(sketch, { [binOf(value)]: 1 }), {})

/** The sketch of the union of two disjoint samples. Commutative and associative; the empty one is neutral. */
export function mergeSketches(left: QuantileSketch, right: QuantileSketch): QuantileSketch {
  const sum: Record<string, number> = { ...left }
  for (const [bin, count] of Object.entries(right)) sum[bin] = (sum[bin] ?? 0) + count
  return sum
}

export const countOf = (sketch: QuantileSketch): number => Object.values(sketch).reduce((sum, count) => sum + count, 0)

/** The smallest value that at least the part `q` of all does not exceed; absent for an empty sketch. */
export function quantileIn(sketch: QuantileSketch, q: number): number | undefined {
  const bins = Object.entries(sketch)
    .map(([bin, count]) => ({ bin: Number(bin), count }))
    .filter(({ count }) => count > 0)
    .sort((left, right) => left.bin - right.bin)
  const rank = Math.max(1, Math.ceil(q * countOf(sketch)))
  let below = 0
  for (const { bin, count } of bins) {
    below += count
    if (below >= rank) return middleOf(bin)
  }
  return bins.length === 0 ? undefined : middleOf(bins.at(-1)?.bin ?? zeroBin)
}

/** The middle of a bin in the sense that both its ends are equally far away, relative to themselves. */
const middleOf = (bin: number): number => (bin === zeroBin ? 0 : Math.exp(bin * base) * (1 - relativeError))
