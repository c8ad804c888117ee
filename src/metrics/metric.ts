import type { MetricFacts } from '../domain/metric'
import type { UnitReport } from '../domain/telemetry'

/**
 * The contract of a metric. The domain knows how it is tested (`statistic`); this adds how one conversation shows it, so
 * that applications, reports and custom queries agree with the guardrail on what is measured.
 */
export interface Metric extends MetricFacts {
  readonly name: string
  readonly direction: 'lower_is_better'
  /** The conversation's value in the metric's unit, from its cumulative report: 0 or 1 for events; absent before any request. */
  readonly observe: (unit: UnitReport) => number | undefined
}
