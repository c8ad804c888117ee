import type { Allocation } from './allocation'
import { bucketOf } from './bucket'
import type { Outcome } from './telemetry'
import type { OutputValue } from './telemetry-outputs'
import type { Digest } from './version'

/** Metrics that a pair of answers can tell; limits that are frozen at the first exposed request do not exist yet. */
export const shadowMetrics = [
  'error_rate',
  'schema_failure_rate',
  'cost_per_conversation',
  'uncached_cost_per_conversation',
  'latency_mean',
] as const
export type ShadowMetric = (typeof shadowMetrics)[number]

/** What applications are told: part of the lane's view, and nothing that resolution looks at. */
export interface ShadowView {
  readonly releaseId: string
  readonly candidate: Digest
  /** Only what this composite served is copied: two others would be another comparison. */
  readonly incumbent: Digest
  readonly basisPoints: number
  /** Milliseconds since the epoch by the store's clock: it ends by itself where nobody ends it. */
  readonly until: number
  readonly outputs?: Allocation['outputs']
}

/** Whole conversations, the same ones in every process; who is copied has nothing to do with who is served what. */
export const isShadowed = (
  shadow: Pick<ShadowView, 'releaseId' | 'basisPoints'>,
  tenant: string,
  conversation: string,
): boolean => bucketOf(`shadow/${shadow.releaseId}`, tenant, conversation) < shadow.basisPoints

/** One answer of a pair. */
export interface ShadowAnswer {
  readonly outcome: Exclude<Outcome, 'filtered'>
  readonly latencyMs: number
  readonly costUsd: number
  readonly uncachedCostUsd: number
}

/** One request that both composites answered; only the incumbent's answer went anywhere. */
export interface ShadowPair {
  readonly releaseId: string
  readonly task: string
  readonly requestId: string
  readonly tenant: string
  /** 64-bit hash of (tenant, conversation), 16 hex digits. */
  readonly unit: string
  readonly at: number
  readonly candidate: ShadowAnswer
  readonly incumbent: ShadowAnswer
  /** By watched field: what the two answers showed, the candidate's first; null where one does not show it. */
  readonly outputs?: readonly (readonly [OutputValue, OutputValue] | null)[]
}

export const shadowBounds = {
  /** Pairs of one release that are kept; the release has more than enough evidence by then. */
  pairs: 20_000,
  /** Of one delivery. */
  batch: 200,
} as const

/** What became of a delivery: how many were taken, and how long to hold off where money or room is used up. */
export interface ShadowAnswerOfServer {
  readonly taken: number
  readonly holdMs: number
}

export const sameOutput = (left: OutputValue, right: OutputValue): boolean =>
  'class' in left ? 'class' in right && left.class === right.class : 'number' in right && left.number === right.number
