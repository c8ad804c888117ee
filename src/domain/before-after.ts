import type { PairedMoments } from '../stats/paired-difference'
import type { EventName } from './telemetry'

/** Looks at one release, and so what the policy's alpha is divided by. The last one is due after about three weeks. */
export const maxBeforeAfterLooks = 12
/** The first look is due so long after the first tenants have the candidate alone, each later one after twice the time. */
export const firstLookMs = 15 * 60_000
/** Conversations that a tenant needs before, and after, to have a rate. */
export const minimumConversations = 5

export const beforeAfterMetrics = ['error_rate', 'schema_failure_rate'] as const
export type BeforeAfterMetric = (typeof beforeAfterMetrics)[number]
export const beforeAfterEvents: Readonly<Record<BeforeAfterMetric, EventName>> = {
  error_rate: 'error',
  schema_failure_rate: 'schema_failure',
}

/** What was counted at one look and is never counted again: a tenant is one pair of rates, before and after. */
export interface BeforeAfterLook {
  readonly look: number
  readonly exposed: PairedMoments
  readonly control: PairedMoments
  /** Counting took too long and was given up. */
  readonly cut?: true
}

/** The newest look that is due so long after the exposure; undefined before the first. */
export function dueLook(exposedMs: number): number | undefined {
  if (!(exposedMs >= firstLookMs)) return undefined
  return Math.min(maxBeforeAfterLooks - 1, Math.floor(Math.log2(exposedMs / firstLookMs)))
}
