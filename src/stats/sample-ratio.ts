import { logGamma } from './log-gamma'
import { finiteLog, logSumExp } from './log-space'

/** Units seen in one stratum, by arm, against the share that was intended for B. */
export interface RatioStratum {
  readonly a: number
  readonly b: number
  readonly share: number
}

/**
 * Prior sizes and their weights: a small one finds an arm that is silent after a dozen units, a large one a share off by a
 * tenth. Most weight is on the size that finds a fifth, where the test then is nearly as good as one of that size alone.
 */
const concentrations = [
  { size: 10, weight: 0.02 },
  { size: 100, weight: 0.9 },
  { size: 1000, weight: 0.08 },
] as const

/**
 * log e-value against H0 "in every stratum B got its intended share", by the multinomial Bayes factor of Lindon & Malek
 * (NeurIPS 2022): Γ(k)/Γ(k+n) Π Γ(kθ_j + c_j)/Γ(kθ_j) / Π θ_j^c_j. Factors multiply over strata, since each unit moves
 * only its own; three prior sizes k are mixed. Exact and anytime-valid. Accuracy: absolute 1e-5 at 1e9 units.
 */
export function logEvalueRatioMismatch(strata: readonly RatioStratum[]): number {
  return logSumExp(
    concentrations.map(({ size, weight }) =>
      strata.reduce((sum, stratum) => finiteLog(sum + logBayesFactor(stratum, size)), Math.log(weight)),
    ),
  )
}

function logBayesFactor({ a, b, share }: RatioStratum, size: number): number {
  if (!(share > 0 && share < 1 && a >= 0 && b >= 0)) return 0
  const priorB = size * share
  const priorA = size * (1 - share)
  const marginal =
    logGamma(size) - logGamma(size + a + b) + logGamma(priorB + b) - logGamma(priorB) + logGamma(priorA + a)
  return finiteLog(marginal - logGamma(priorA) - b * Math.log(share) - a * Math.log1p(-share))
}
