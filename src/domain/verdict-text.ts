import { assertNever } from '../errors'
import type { Comparison } from './comparison'
import type { MetricFacts } from './metric'

/** A number as a release manager reads it: `6.1 %`, `$0.0123`, `812 ms`; three significant digits. */
export function formatValue(value: number, unit: MetricFacts['unit']): string {
  switch (unit) {
    case 'share':
      return `${(value * 100).toFixed(value !== 0 && value < 0.001 ? 2 : 1)} %`
    case 'usd':
      return formatUsd(value)
    case 'ms':
      return `${Math.round(value)} ms`
    case 'number':
      return String(Number(value.toPrecision(3)))
    default:
      return assertNever(unit)
  }
}

/** Dollars with two decimals from a dollar up, with three significant digits below: a request costs fractions of a cent. */
export function formatUsd(value: number): string {
  if (value === 0) return '$0'
  if (Math.abs(value) >= 1) return `$${value.toFixed(2)}`
  const decimals = Math.min(9, 2 - Math.floor(Math.log10(Math.abs(value))))
  return `$${value.toFixed(decimals)}`
}

export const formatMargin = (margin: number): string => `${Number((margin * 100).toPrecision(3))} %`

/** `error rate 6.1 % against 1.0 % (conversations 214 / 210)`: what was measured, without a judgement. */
export function describeComparison(facts: MetricFacts, comparison: Comparison, unitNoun: string): string {
  const { candidate, incumbent, units } = comparison
  const own = candidate === undefined ? 'unknown' : formatValue(candidate, facts.unit)
  const other = incumbent === undefined ? 'unknown' : formatValue(incumbent, facts.unit)
  return `${facts.label} ${own} against ${other} (${unitNoun} ${units.candidate} / ${units.incumbent})`
}

/** `5 minutes`, `30 seconds`, `1 hour`: the largest unit that divides it. */
export function formatDuration(ms: number): string {
  const units = [
    ['hour', 3_600_000],
    ['minute', 60_000],
    ['second', 1000],
  ] as const
  for (const [name, length] of units) {
    if (ms >= length && ms % length === 0) return `${ms / length} ${name}${ms === length ? '' : 's'}`
  }
  return `${Math.round(ms)} ms`
}
