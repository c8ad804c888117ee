/** Halvings of a logarithmic range: the error is below 1e-10 of the result. */
const rounds = 40

/** Ratios beyond 1e±6 count as unbounded. */
export const ratioLimit = 1e6

/** The largest ratio in 1e-6..1e6 for which `holds`, a fact that is true up to some point and false beyond it. */
export function largestRatioWhere(holds: (ratio: number) => boolean): number {
  if (holds(ratioLimit)) return Number.POSITIVE_INFINITY
  let low = -Math.log(ratioLimit)
  let high = Math.log(ratioLimit)
  if (!holds(Math.exp(low))) return 0
  for (let round = 0; round < rounds; round += 1) {
    const middle = (low + high) / 2
    if (holds(Math.exp(middle))) low = middle
    else high = middle
  }
  return Math.exp(low)
}
