import { metricFacts } from '../domain/metric'
import type { Metric } from './metric'

/** Mean latency of a closed conversation's requests. */
export const latencyMean = {
  ...metricFacts.latency_mean,
  name: 'latency_mean',
  direction: 'lower_is_better',
  observe: (unit) => (unit.requests > 0 ? unit.latencyMs / unit.requests : undefined),
} as const satisfies Metric
