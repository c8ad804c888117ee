import { metricFacts } from '../domain/metric'
import type { Metric } from './metric'

/** Conversations with a request above the frozen cost limit: the fast alarm, since it needs no closed conversation. */
export const costExceedance = {
  ...metricFacts.cost_exceedance,
  name: 'cost_exceedance',
  direction: 'lower_is_better',
  observe: (unit) => (unit.requests > 0 ? Number(unit.events.includes('cost_exceeded')) : undefined),
} as const satisfies Metric
