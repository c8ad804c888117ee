import { metricFacts } from '../domain/metric'
import type { Metric } from './metric'

/** Conversations with at least one failed request. */
export const errorRate = {
  ...metricFacts.error_rate,
  name: 'error_rate',
  direction: 'lower_is_better',
  observe: (unit) => (unit.requests > 0 ? Number(unit.events.includes('error')) : undefined),
} as const satisfies Metric
