import { logGamma } from '../../../src/stats/log-gamma'

/**
 * Two-sided p-value of `hits` of `trials` under the probability `share`: the summed probability of every count that is
 * no likelier than the seen one (exact, as in Clopper and Pearson's setting). 1 where nothing was tried.
 */
export function binomialPValue(hits: number, trials: number, share: number): number {
  if (share <= 0 || share >= 1) return hits === (share <= 0 ? 0 : trials) ? 1 : 0
  const logChance = (count: number): number =>
    logGamma(trials + 1) -
    logGamma(count + 1) -
    logGamma(trials - count + 1) +
    count * Math.log(share) +
    (trials - count) * Math.log1p(-share)
  const seen = logChance(hits) + rounding
  let sum = 0
  for (let count = 0; count <= trials; count++) {
    const chance = logChance(count)
    if (chance <= seen) sum += Math.exp(chance)
  }
  return Math.min(1, sum)
}

/** Counts that are as likely as the seen one, but for rounding, belong to the sum. */
const rounding = 1e-9
