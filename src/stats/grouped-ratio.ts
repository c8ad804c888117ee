import { wilsonInterval } from './binomial-interval'
import type { GroupedEstimate } from './grouped'
import { studentQuantile } from './student-t'

export type { GroupedEstimate } from './grouped'

/** Numerators and denominators of a ratio of totals, one of each a group, groups in the same order. */
export interface RatioSums {
  readonly over: readonly number[]
  readonly under: readonly number[]
}

/** Standard errors below it, of values around one, are rounding: the groups agree. */
const roundingError = 1e-12

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)

/**
 * The mean of ratios of totals, each within 0..1 (precision, recall, F1; several of them: their macro average), with
 * an interval that stays within 0..1. The standard error is cluster-robust by linearisation (Woodruff 1971): a group's
 * residual is Σ_k (over_gk − R_k under_gk) / (K under_k), squared after summing within the group, with the G / (G − 1)
 * correction; the interval is Wilson's with the effective sample size R (1 − R) / se², as of a share by group. Of one
 * ratio whose denominators count cases it is that share. Ratios with nothing under them are left out; undefined where
 * all are.
 */
export function meanOfRatios(ratios: readonly RatioSums[], confidence = 0.95): GroupedEstimate | undefined {
  const known = ratios.filter(({ under }) => total(under) > 0)
  if (known.length === 0) return undefined
  const mean = total(known.map(({ over, under }) => total(over) / total(under))) / known.length
  const { squares, groups } = residualsOf(known)
  if (groups < 2) return { mean, lower: 0, upper: 1 }
  const standardError = Math.sqrt((groups / (groups - 1)) * squares)
  const most = total(known.map(({ under }) => total(under)))
  const effective = standardError > roundingError ? Math.min(most, (mean * (1 - mean)) / standardError ** 2) : groups
  const { lower, upper } = wilsonInterval(
    mean * effective,
    effective,
    studentQuantile((1 + confidence) / 2, groups - 1),
  )
  return { mean, lower: mean === 0 ? 0 : lower, upper: mean === 1 ? 1 : upper }
}

/** Only groups that are about any of the ratios count. */
function residualsOf(ratios: readonly RatioSums[]): { readonly squares: number; readonly groups: number } {
  const length = Math.max(...ratios.map(({ under }) => under.length))
  const facts = ratios.map(({ over, under }) => ({ over, under, sum: total(under), ratio: total(over) / total(under) }))
  let squares = 0
  let groups = 0
  for (let group = 0; group < length; group += 1) {
    if (facts.every(({ under }) => (under[group] ?? 0) === 0)) continue
    groups += 1
    const residual = total(
      facts.map(({ over, under, sum, ratio }) => ((over[group] ?? 0) - ratio * (under[group] ?? 0)) / sum),
    )
    squares += (residual / ratios.length) ** 2
  }
  return { squares, groups }
}
