import type { Outcome } from '../../src/domain/telemetry'

/** What an application is told when it starts. It comes over the channel, so that no key stands on a command line. */
export interface Begin {
  readonly kind: 'begin'
  readonly name: string
  readonly task: string
  readonly apiUrl: string
  readonly apiKey: string
  readonly engineUrl: string
  readonly engineKey: string
  /** Where it logs what it served, a JSON line a request; absent: it does not. */
  readonly log?: string
}

/** One transcript, as far as it has come, is to be scored. */
export interface Order {
  readonly kind: 'score'
  readonly id: number
  readonly tenant: string
  readonly conversation: string
  /** Index of the transcript, and of the beginning of it that is scored. */
  readonly transcript: number
  readonly cut: number
  readonly startedAt: number
  /** As kept with the conversation; absent at its first request. */
  readonly binding?: string
  /** The conversation ends with this request. */
  readonly last: boolean
}

export type ToApplication = Begin | Order | { readonly kind: 'stop' }

/** One request that an application served, as it logged it. Times are milliseconds since the epoch by its own clock. */
export interface ServedRow {
  readonly kind: 'served'
  readonly application: string
  readonly requestId: string
  readonly tenant: string
  readonly conversation: string
  readonly transcript: number
  readonly cut: number
  readonly last: boolean
  readonly composite: string
  readonly arm: string
  readonly reason: string
  readonly seq: number
  readonly slice: number
  readonly tenantSeq: number
  readonly headSeq: number
  readonly resolvedAt: number
  readonly answeredAt: number
  readonly outcome: Outcome
  readonly inputTokens: number
  readonly cachedTokens: number
  readonly outputTokens: number
  readonly costUsd: number
  readonly uncachedCostUsd: number
}

export interface SkippedRow {
  readonly kind: 'skipped'
  readonly application: string
  readonly tenant: string
  readonly conversation: string
  readonly skip: string
  readonly resolvedAt: number
}

export type Row = ServedRow | SkippedRow

export type FromApplication =
  | { readonly kind: 'ready' }
  | { readonly kind: 'answer'; readonly id: number; readonly row: Row; readonly binding?: string }
  /** Everything is reported; `dropped` are records that the SDK could not tell. */
  | { readonly kind: 'ended'; readonly dropped: number; readonly faults: readonly string[] }
  | { readonly kind: 'failed'; readonly message: string }
