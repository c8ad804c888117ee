import { metricFacts } from '../domain/metric'
import type { Metric } from './metric'

/** What a closed conversation cost, as billed. */
export const costPerConversation = {
  ...metricFacts.cost_per_conversation,
  name: 'cost_per_conversation',
  direction: 'lower_is_better',
  observe: (unit) => (unit.requests > 0 ? unit.costUsd : undefined),
} as const satisfies Metric
