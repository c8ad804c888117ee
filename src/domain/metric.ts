import { SluiceError } from '../errors'
import type { GuardrailPolicy } from './policy'
import type { ClosedValueName, EventName } from './telemetry'

/** How a metric is told from telemetry, and so by which test of `stats` it is judged. */
export type MetricStatistic =
  /** Conversations with at least one such event: conditional-binomial e-process, exact. */
  | { readonly kind: 'event'; readonly event: EventName }
  /** Mean over closed conversations: asymptotic confidence sequence of the raw value and of its logarithm. */
  | { readonly kind: 'mean'; readonly value: ClosedValueName }
  /** Conversations whose told value is beyond the mark of a custom metric: the same test as for events. */
  | { readonly kind: 'failures'; readonly metric: string }
  /** Mean of a custom metric: asymptotic confidence sequence of the raw value. */
  | { readonly kind: 'told_mean'; readonly metric: string; readonly worse: 'higher' | 'lower' }

export interface MetricFacts {
  /** What a release manager calls it. */
  readonly label: string
  readonly unit: 'share' | 'usd' | 'ms' | 'number'
  readonly statistic: MetricStatistic
}

/** All metrics that a policy can guard, by name. Every one of them is worse when it is higher. */
export const metricFacts = {
  error_rate: { label: 'error rate', unit: 'share', statistic: { kind: 'event', event: 'error' } },
  schema_failure_rate: {
    label: 'schema failure rate',
    unit: 'share',
    statistic: { kind: 'event', event: 'schema_failure' },
  },
  cost_exceedance: {
    label: 'rate of costs above the frozen limit',
    unit: 'share',
    statistic: { kind: 'event', event: 'cost_exceeded' },
  },
  latency_exceedance: {
    label: 'rate of latencies above the frozen limit',
    unit: 'share',
    statistic: { kind: 'event', event: 'latency_exceeded' },
  },
  cost_per_conversation: {
    label: 'mean cost per conversation',
    unit: 'usd',
    statistic: { kind: 'mean', value: 'cost_usd' },
  },
  uncached_cost_per_conversation: {
    label: 'mean uncached cost per conversation',
    unit: 'usd',
    statistic: { kind: 'mean', value: 'uncached_cost_usd' },
  },
  latency_mean: {
    label: 'mean latency per conversation',
    unit: 'ms',
    statistic: { kind: 'mean', value: 'latency_ms' },
  },
} as const satisfies Record<string, MetricFacts>

/** Counted against limits that an entry carries; where it carries none, nothing is. */
export const isExceedance = (metric: string): boolean => metric === 'cost_exceedance' || metric === 'latency_exceedance'

export type MetricName = keyof typeof metricFacts
export const metricNames = Object.keys(metricFacts) as readonly MetricName[]

/** The facts of a guardrail: of a metric of the registry, or of one that applications tell by a name of their own. */
export function factsOf({ metric, custom }: Pick<GuardrailPolicy, 'metric' | 'custom'>): MetricFacts {
  if (custom === undefined) return metricNamed(metric)
  if ('mean' in custom) {
    const worse = custom.mean === 'higher_is_worse' ? 'higher' : 'lower'
    return { label: `mean ${metric}`, unit: 'number', statistic: { kind: 'told_mean', metric, worse } }
  }
  const mark = 'failsBelow' in custom ? `below ${custom.failsBelow}` : `above ${custom.failsAbove}`
  return { label: `${metric} ${mark}`, unit: 'share', statistic: { kind: 'failures', metric } }
}

/** The facts of a metric named by a policy; an unknown name is an error, never a metric that is silently not watched. */
export function metricNamed(name: string): MetricFacts {
  if (!Object.hasOwn(metricFacts, name)) {
    throw new SluiceError('invalid_content', `No metric is called ${name}. Use one of: ${metricNames.join(', ')}.`, {
      metrics: metricNames,
    })
  }
  return metricFacts[name as MetricName]
}
