import type { MetricName } from '../domain/metric'
import { costExceedance } from './cost-exceedance'
import { costPerConversation } from './cost-per-conversation'
import { errorRate } from './error-rate'
import { latencyExceedance } from './latency-exceedance'
import { latencyMean } from './latency-mean'
import type { Metric } from './metric'
import { schemaFailureRate } from './schema-failure-rate'
import { uncachedCostPerConversation } from './uncached-cost-per-conversation'

/** Every metric a policy can guard. A name without a row, or a row without a test in the domain, is a type error. */
export const metrics = {
  error_rate: errorRate,
  schema_failure_rate: schemaFailureRate,
  cost_exceedance: costExceedance,
  latency_exceedance: latencyExceedance,
  cost_per_conversation: costPerConversation,
  uncached_cost_per_conversation: uncachedCostPerConversation,
  latency_mean: latencyMean,
} as const satisfies Record<MetricName, Metric>
