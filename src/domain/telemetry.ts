import type { QualityStats } from './quality'
import type { OutputField, OutputStats, OutputValue } from './telemetry-outputs'
import type { Digest } from './version'

/** The 0/1 facts of a conversation that guardrails count: true once the first such request was seen. */
export const eventNames = ['error', 'schema_failure', 'cost_exceeded', 'latency_exceeded'] as const
export type EventName = (typeof eventNames)[number]

export type Arm = 'candidate' | 'incumbent' | 'none'
export const outcomes = ['ok', 'error', 'schema_failure', 'filtered'] as const
export type Outcome = (typeof outcomes)[number]

/**
 * Cumulative totals of one conversation as one reporter saw it; `revision` grows with every change. A reporter that
 * forgot an acknowledged conversation to save memory starts a new `part`, greater than all its earlier ones, from zero.
 */
export interface UnitReport {
  /** 64-bit hash of (tenant, conversation), 16 hex digits. */
  readonly unit: string
  readonly tenant: string
  readonly part: number
  readonly revision: number
  readonly requests: number
  readonly errors: number
  readonly schemaFailures: number
  readonly costUsd: number
  /** Price-equivalent without the provider's prompt cache. */
  readonly uncachedCostUsd: number
  readonly latencyMs: number
  readonly inputTokens: number
  readonly cachedTokens: number
  readonly outputTokens: number
  readonly events: readonly EventName[]
  readonly closed: boolean
  /** Begun between the `at` of an entry and the moment when this reporter heard of it: shown, never tested. */
  readonly gap: boolean
  /** By watched field of the entry: what its first output showed. Absent where none is watched. */
  readonly outputs?: readonly (OutputValue | null)[]
}

/** Where a conversation counts: the lane entry it is bound to, the slice that matched, and its arm. */
export interface StratumKey {
  readonly environment: string
  readonly task: string
  readonly seq: number
  /** Index of the slice in the entry's exposure; -1 where none matched (arm `none`). */
  readonly slice: number
  readonly arm: Arm
  readonly composite: Digest
}

/** One request as it was served, for the request log. */
export interface RequestRecord extends Omit<StratumKey, 'environment'> {
  readonly requestId: string
  readonly tenant: string
  readonly conversation: string
  readonly reason: string
  readonly binding: string
  /** Milliseconds since the epoch by the application's corrected clock. */
  readonly at: number
  readonly outcome: Outcome
  readonly latencyMs: number
  readonly inputTokens: number
  readonly cachedTokens: number
  readonly outputTokens: number
  readonly costUsd: number
  readonly uncachedCostUsd: number
  readonly cacheAgeMs: number
  readonly headSeq: number
  readonly tenantSeq: number
  readonly stale: boolean
  readonly model?: string
  readonly fingerprint?: string
  /** Which way a router sent it: `rule 2: large`. */
  readonly branch?: string
}

/** A lane entry that a reporter heard of only `lateMs` after it began to count. */
export interface LateEntry {
  readonly task: string
  readonly seq: number
  readonly lateMs: number
}

/**
 * A value of a custom metric, told of a conversation during it or long after: a survey, thumbs. It joins its stratum
 * where the entry watches the metric, else it is shown only.
 */
export interface LateOutcome {
  /** Chosen by the sender: a repeated delivery for the same task, conversation and metric counts once. */
  readonly id: string
  readonly task: string
  readonly tenant: string
  readonly conversation: string
  readonly metric: string
  readonly value: number
  /** Milliseconds since the epoch by the application's corrected clock. */
  readonly at: number
}

/** Everything one SDK instance sends at a flush. Idempotent: units are cumulative, the rest carries ids. */
export interface TelemetryBatch {
  /** Unique per SDK instance: 8 to 64 letters, digits, `-` or `_`. */
  readonly reporter: string
  readonly environment: string
  /** The lane head seqs this instance serves by now: `sluice active` names the stale ones. */
  readonly appliedHeads: Readonly<Record<string, number>>
  readonly strata: readonly (Omit<StratumKey, 'environment'> & { readonly units: readonly UnitReport[] })[]
  readonly requests: readonly RequestRecord[]
  readonly late: readonly LateEntry[]
  readonly lateOutcomes: readonly LateOutcome[]
  /** Records this instance had to drop since it started, to keep its memory bounded. */
  readonly dropped: number
  /** Present where it could not deliver for a while: what it tells happened at any time within so long. */
  readonly coversMs?: number
}

/** One record of a batch that was not taken. The rest of the batch was. */
export interface TelemetryRefusal {
  /** JSON pointer into the batch. */
  readonly path: string
  readonly code: 'invalid_telemetry'
  readonly message: string
}

export interface TelemetryAnswer {
  readonly accepted: { readonly units: number; readonly requests: number; readonly lateOutcomes: number }
  /** The first hundred. */
  readonly refused: readonly TelemetryRefusal[]
  readonly refusedCount: number
}

/** Moments of a value over closed conversations. `log*` are of the natural logarithm of max(value, floor). */
export interface Moments {
  readonly n: number
  readonly sum: number
  readonly sumSquares: number
  readonly logSum: number
  readonly logSumSquares: number
}

/** Values whose means are tested, one per closed conversation. */
export const closedValueNames = ['cost_usd', 'uncached_cost_usd', 'latency_ms'] as const
export type ClosedValueName = (typeof closedValueNames)[number]

/** Cumulative, sufficient statistics of one arm in one stratum. */
export interface ArmStats {
  readonly units: number
  readonly requests: number
  readonly costUsd: number
  readonly uncachedCostUsd: number
  readonly latencyMs: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly errorRequests: number
  readonly schemaFailureRequests: number
  /** Conversations with at least one such event. */
  readonly events: Readonly<Record<EventName, number>>
  readonly closed: Readonly<Record<ClosedValueName, Moments>>
  /** What outputs showed of the watched fields; absent where none was told. */
  readonly outputs?: OutputStats
  /** By custom metric; absent where none was told. */
  readonly quality?: Readonly<Record<string, QualityStats>>
}

/** One stratum of a release: the share in force is constant in it by construction. */
export interface StratumStats {
  readonly environment: string
  readonly task: string
  readonly seq: number
  readonly slice: number
  /** Candidate's share of assignment, strictly between 0 and 1 for tested strata. */
  readonly share: number
  readonly by: 'conversation' | 'tenant'
  /** The fields of the output that the entry watches. */
  readonly outputs?: readonly OutputField[]
  readonly candidate: ArmStats
  readonly incumbent: ArmStats
}

/** Totals of the last moments, for absolute breakers: differences of totals, so they merge over replicas. */
export interface BreakerWindow {
  readonly windowMs: number
  /** Candidate requests, errors (of both sorts) and spend within the window, all slices, any share. */
  readonly requests: number
  readonly errors: number
  readonly costUsd: number
}
