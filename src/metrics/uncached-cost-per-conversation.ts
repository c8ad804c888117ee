import { metricFacts } from '../domain/metric'
import type { Metric } from './metric'

/** What a closed conversation would have cost without the provider's prompt cache, which a small arm hits less. */
export const uncachedCostPerConversation = {
  ...metricFacts.uncached_cost_per_conversation,
  name: 'uncached_cost_per_conversation',
  direction: 'lower_is_better',
  observe: (unit) => (unit.requests > 0 ? unit.uncachedCostUsd : undefined),
} as const satisfies Metric
