import type { EvaluationVerdict } from './evaluation'
import type { Digest } from './version'

/** Why a composite is scored on another suite. */
export type RescoreReason = 'serving' | 'settled' | 'recent'

/** One composite of a rescore, judged as a release of it would be: against `incumbent`, absolutely where there is none. */
export interface RescoreItem {
  readonly composite: Digest
  readonly incumbent?: Digest
  readonly reason: RescoreReason
  /** Where it serves, in words; the first few. */
  readonly places: readonly string[]
}

/** What scoring an item would take. A free call was answered before, on this suite or another one. */
export interface RescoreCost {
  readonly freeCalls: number
  readonly paidCalls: number
  /** Questions to the suite's judges that have no answer yet; those about outputs that are not there yet included. */
  readonly judgeCalls: number
  /** The paid calls and the judges' at their worst. */
  readonly worstUsd: number
  /** Why the suite cannot run on it at all. */
  readonly fault?: string
}

export interface RescorePlan {
  readonly task: string
  readonly suite: Digest
  readonly policy: Digest
  readonly items: readonly RescoreItem[]
}

export const rescoreStates = ['running', 'done', 'failed', 'cancelled'] as const
/** `failed`: at least one composite could not be scored; `done` says nothing about the verdicts. */
export type RescoreState = (typeof rescoreStates)[number]

export interface RescoreTally {
  readonly done: number
  readonly failed: number
  readonly of: number
}

/** What the workflow shows of itself. */
export interface RescoreStatus extends RescoreTally {
  readonly rescoreId: string
  readonly task: string
  readonly suite: string
  readonly state: RescoreState
  /** The newest ones, in words. */
  readonly notes: readonly string[]
}

/** What came of one composite. */
export type RescoreOutcome =
  | { readonly kind: 'scored'; readonly verdict: EvaluationVerdict }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
