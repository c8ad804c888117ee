import { wilsonInterval } from './binomial-interval'
import { studentCdf, studentQuantile } from './student-t'

/** A value with the group it belongs to: values of one group are not independent, groups are. */
export interface GroupedValue {
  readonly group: string
  readonly value: number
}

export interface GroupedEstimate {
  readonly mean: number
  readonly lower: number
  readonly upper: number
}

export interface GroupedTest extends GroupedEstimate {
  readonly groups: number
  /** Standard error by groups; absent where one group tells nothing about it. */
  readonly standardError?: number
  /** One-sided p-values of a mean below and above zero. */
  readonly pBelow: number
  readonly pAbove: number
}

/** Standard errors below it, of values around one, are rounding: the values are equal. */
const roundingError = 1e-12

/** What intervals and tests by group need of the values: how many each group has, and their sum. Groups in any order. */
export interface GroupSums {
  readonly counts: readonly number[]
  readonly sums: readonly number[]
}

function groupSums(values: readonly GroupedValue[]): GroupSums {
  const places = new Map<string, number>()
  const counts: number[] = []
  const sums: number[] = []
  for (const { group, value } of values) {
    const place = places.get(group) ?? places.size
    places.set(group, place)
    counts[place] = (counts[place] ?? 0) + 1
    sums[place] = (sums[place] ?? 0) + value
  }
  return { counts, sums }
}

interface Spread {
  readonly n: number
  readonly mean: number
  readonly standardError: number
  readonly groups: number
}

/**
 * Mean of all values and its cluster-robust standard error: residuals are summed within a group before they are
 * squared (Liang and Zeger 1986, with the G / (G − 1) correction). One group tells nothing: infinite error.
 */
function spreadOf({ counts, sums }: GroupSums): Spread {
  const n = counts.reduce((sum, count) => sum + count, 0)
  const mean = sums.reduce((sum, value) => sum + value, 0) / n
  const groups = counts.length
  let squares = 0
  for (const [place, sum] of sums.entries()) {
    const residual = sum - (counts[place] ?? 0) * mean
    squares += residual * residual
  }
  const variance = groups > 1 ? ((groups / (groups - 1)) * squares) / (n * n) : Number.POSITIVE_INFINITY
  const standardError = Math.sqrt(variance)
  return { n, mean, standardError: standardError < roundingError ? 0 : standardError, groups }
}

/**
 * A mean with its two-sided interval and the one-sided tests against zero, by Student's distribution with groups − 1
 * degrees of freedom. Undefined without values.
 */
export const groupedTest = (values: readonly GroupedValue[], confidence = 0.95): GroupedTest | undefined =>
  testOfSums(groupSums(values), confidence)

/** The same where the values were summed up as they came. */
export function testOfSums(values: GroupSums, confidence = 0.95): GroupedTest | undefined {
  if (values.counts.length === 0) return undefined
  const { mean, standardError, groups } = spreadOf(values)
  if (!(standardError < Number.POSITIVE_INFINITY)) {
    const [lower, upper] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
    return { mean, lower, upper, groups, pBelow: 0.5, pAbove: 0.5 }
  }
  const half = studentQuantile((1 + confidence) / 2, groups - 1) * standardError
  const t = standardError > 0 ? mean / standardError : mean * Number.POSITIVE_INFINITY
  const below = Number.isNaN(t) ? 0.5 : studentCdf(t, groups - 1)
  return { mean, lower: mean - half, upper: mean + half, groups, standardError, pBelow: below, pAbove: 1 - below }
}

/**
 * A share of values in 0..1 with an interval that stays within 0..1: Wilson's with the effective sample size
 * p (1 − p) / se², at most n; where all values are equal the groups are the sample (Korn and Graubard 1998).
 */
export const groupedShare = (values: readonly GroupedValue[], confidence = 0.95): GroupedEstimate =>
  shareOfSums(groupSums(values), confidence)

/** The same where the values were summed up as they came. */
export function shareOfSums(values: GroupSums, confidence = 0.95): GroupedEstimate {
  if (values.counts.length === 0) return { mean: 0, lower: 0, upper: 1 }
  const { n, mean, standardError, groups } = spreadOf(values)
  if (groups < 2) return { mean, lower: 0, upper: 1 }
  const binomial = mean * (1 - mean)
  const effective = standardError > 0 ? Math.min(n, binomial / standardError ** 2) : groups
  const { lower, upper } = wilsonInterval(
    mean * effective,
    effective,
    studentQuantile((1 + confidence) / 2, groups - 1),
  )
  return { mean, lower: mean === 0 ? 0 : lower, upper: mean === 1 ? 1 : upper }
}

/** The smallest value that at least the share `q` of the values does not exceed; undefined without values. */
export function quantileOf(values: readonly number[], q: number): number | undefined {
  const sorted = values.toSorted((left, right) => left - right)
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)]
}
