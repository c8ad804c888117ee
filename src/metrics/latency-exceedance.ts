import { metricFacts } from '../domain/metric'
import type { Metric } from './metric'

/** Conversations with a request slower than the incumbent's frozen p95. */
export const latencyExceedance = {
  ...metricFacts.latency_exceedance,
  name: 'latency_exceedance',
  direction: 'lower_is_better',
  observe: (unit) => (unit.requests > 0 ? Number(unit.events.includes('latency_exceeded')) : undefined),
} as const satisfies Metric
