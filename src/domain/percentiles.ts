import { countOf, type QuantileSketch, quantileIn, relativeError } from '../stats/quantile-sketch'
import { type PicturedValue, type Pictures, picturedValues } from './telemetry-fold'

/** Percentiles of one value over closed conversations, within `relativeError` of the true ones. */
export interface Percentiles {
  readonly conversations: number
  readonly p50: number
  readonly p95: number
}

/** By value: the cost of a conversation in USD, the mean latency of its requests in milliseconds. Absent: none closed yet. */
export type PercentilesByValue = Readonly<Partial<Record<PicturedValue, Percentiles>>>

/** What is shown of both arms. Never judged: guardrails count exceedances of frozen limits instead. */
export interface ArmPercentiles {
  readonly candidate: PercentilesByValue
  readonly incumbent: PercentilesByValue
}

export const percentileError = relativeError

export function percentilesIn(pictures: Pictures): PercentilesByValue {
  const told = picturedValues.flatMap((name) => {
    const sketch = sketchIn(pictures, name)
    const p50 = quantileIn(sketch, 0.5)
    const p95 = quantileIn(sketch, 0.95)
    if (p50 === undefined || p95 === undefined) return []
    return [[name, { conversations: countOf(sketch), p50, p95 }] as const]
  })
  return Object.fromEntries(told)
}

function sketchIn(pictures: Pictures, name: PicturedValue): QuantileSketch {
  const prefix = `${name}:`
  return Object.fromEntries(
    Object.entries(pictures).flatMap(([key, count]) =>
      key.startsWith(prefix) ? [[key.slice(prefix.length), count] as const] : [],
    ),
  )
}
