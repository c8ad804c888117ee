/** How a number that an application tells of a conversation becomes harm. */
export type CustomMetric =
  /** Conversations whose value is beyond the mark, counted like errors. */
  | { readonly failsBelow: number }
  | { readonly failsAbove: number }
  /** The mean of the values, compared like a cost. */
  | { readonly mean: 'higher_is_worse' | 'lower_is_worse' }

/** A custom metric as the entries of a release carry it: only what they name joins the evidence. */
export interface QualityRule {
  readonly metric: string
  readonly custom: CustomMetric
}

/** Custom metrics that a release can guard. */
export const maxQualityRules = 8
export const qualityMetricShape = /^[a-z][a-z0-9_]{0,62}$/

/** The first value that was told of a unit, and by whom. Never revised, so that every unit is evidence once. */
export interface QualityValue {
  readonly value: number
  readonly failed: boolean
  /** As `telemetry-fold` names sources: `reporter/<id>` and `key/<name>`. */
  readonly sources: readonly string[]
}

export const failsBy = (custom: CustomMetric, value: number): boolean => {
  if ('failsBelow' in custom) return value < custom.failsBelow
  return 'failsAbove' in custom && value > custom.failsAbove
}

/** Units with a value, those of them that fail, and moments of the values. */
export interface QualityStats {
  readonly n: number
  readonly failed: number
  readonly sum: number
  readonly sumSquares: number
}

export const noQuality: QualityStats = { n: 0, failed: 0, sum: 0, sumSquares: 0 }
const statNames = ['n', 'failed', 'sum', 'sumSquares'] as const satisfies readonly (keyof QualityStats)[]
export type QualityTotalName = `quality_${string}_${keyof QualityStats}`

/** What one unit adds to its stratum. */
export function qualityTotals(
  values: Readonly<Record<string, QualityValue>> = {},
): Partial<Record<QualityTotalName, number>> {
  const totals: Partial<Record<QualityTotalName, number>> = {}
  for (const [metric, { value, failed }] of Object.entries(values)) {
    totals[`quality_${metric}_n`] = 1
    if (failed) totals[`quality_${metric}_failed`] = 1
    totals[`quality_${metric}_sum`] = value
    totals[`quality_${metric}_sumSquares`] = value * value
  }
  return totals
}

/** Empty where nothing was told: most lanes watch no custom metric. */
export function qualityStatsOf(totals: Readonly<Partial<Record<string, number>>>): {
  readonly quality?: Readonly<Record<string, QualityStats>>
} {
  const found = new Map<string, QualityStats>()
  for (const [name, value = 0] of Object.entries(totals)) {
    if (!name.startsWith('quality_')) continue
    const cut = name.lastIndexOf('_')
    const stat = statNames.find((one) => one === name.slice(cut + 1))
    const metric = name.slice('quality_'.length, cut)
    if (stat !== undefined) found.set(metric, { ...(found.get(metric) ?? noQuality), [stat]: value })
  }
  return found.size === 0 ? {} : { quality: Object.fromEntries(found) }
}

/** What an arm was told of a metric; a metric may be called like a member of every object. */
export const qualityOf = (
  { quality }: { readonly quality?: Readonly<Record<string, QualityStats>> },
  metric: string,
): QualityStats =>
  quality !== undefined && Object.hasOwn(quality, metric) ? (quality[metric] ?? noQuality) : noQuality
