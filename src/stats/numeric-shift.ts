import { logEvidenceAbove, logEvidenceBelow } from './asymptotic-confidence-sequence'
import { finiteLog } from './log-space'
import { type MeanStratum, stratifiedDifference } from './mean-difference'

/**
 * log evidence that the mean of a numeric output differs between the arms, to either side: the confidence sequence of
 * Waudby-Smith et al. (2021/2024) at half of `alpha` each way, halved. It compares with 1/α, and says *different*, never
 * *worse*. Guarantee: asymptotic, silent before the burn-in; a shift that leaves the mean alone shows in the class mix of
 * `cutClass`.
 */
export function logEvidenceNumericShift(strata: readonly MeanStratum[], alpha: number): number {
  const difference = stratifiedDifference(strata, 1)
  const above = logEvidenceAbove(difference, alpha / 2)
  const below = logEvidenceBelow(difference, alpha / 2)
  return finiteLog(Math.max(above, below) - Math.LN2)
}

/**
 * The class of a numeric output by cuts that were frozen before the first unit, ascending: `0` below the first one, and so
 * on. With it `logEvalueMultinomialShift` tests the whole distribution, exactly; the control's quartiles are good cuts.
 */
export function cutClass(value: number, cuts: readonly number[]): string {
  let index = 0
  while (index < cuts.length && value >= (cuts[index] ?? 0)) index += 1
  return String(index)
}
