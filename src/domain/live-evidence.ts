import type { BreakerWindow, EventName } from './telemetry'
import type { Totals } from './telemetry-fold'

/** Who tells: an API key with all that it reports, or one application process. */
export type SourceKind = 'key' | 'reporter'

/** What the evidence would lose without one source. */
export interface SourceShare {
  readonly kind: SourceKind
  /** Of the last two maybe `one of <n> others`: what any one beyond the bound of those told apart can have told at most. */
  readonly name: string
  readonly lost: readonly {
    readonly environment: string
    readonly seq: number
    readonly slice: number
    readonly arm: 'candidate' | 'incumbent'
    readonly totals: Totals
  }[]
  /** What it alone reported in each window of an error breaker, in the policy's order. */
  readonly windows: readonly Pick<BreakerWindow, 'requests' | 'errors'>[]
}

export type EventCounts = Readonly<Partial<Record<EventName, number>>>

/** Conversations of one tenant with an event, by stratum and arm. */
export interface TenantEvents {
  readonly tenant: string
  readonly strata: readonly {
    readonly seq: number
    readonly slice: number
    readonly candidate: EventCounts
    readonly incumbent: EventCounts
  }[]
}

/** Tenants with the most conversations that had an event, whatever their arm. */
export interface TenantsOfInterest {
  readonly watched: readonly TenantEvents[]
  /** How many tenants have the policy's minimum of such conversations, watched or not; where many have, maybe more. */
  readonly eligible: number
}
