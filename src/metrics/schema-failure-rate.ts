import { metricFacts } from '../domain/metric'
import type { Metric } from './metric'

/** Conversations with at least one output that breaks its schema. */
export const schemaFailureRate = {
  ...metricFacts.schema_failure_rate,
  name: 'schema_failure_rate',
  direction: 'lower_is_better',
  observe: (unit) => (unit.requests > 0 ? Number(unit.events.includes('schema_failure')) : undefined),
} as const satisfies Metric
