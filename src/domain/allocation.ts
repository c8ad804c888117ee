import type { QualityRule } from './quality'
import type { OutputField } from './telemetry-outputs'
import type { Digest } from './version'

/** One exposure rule of an entry. The first slice whose `to` matches the tenant wins. */
export interface Slice {
  readonly to: SliceTarget
  /** Share of the candidate, 0..10000. */
  readonly basisPoints: number
  /** What is bucketed: each conversation, or the whole tenant. */
  readonly by: 'conversation' | 'tenant'
}
export type SliceTarget = { readonly tenants: readonly string[] } | { readonly ring: string } | 'rest'

export type EntryCause =
  /** A forward step of a release. */
  | 'step'
  /** The end of a release: the candidate becomes the incumbent. */
  | 'settle'
  /** Back to an earlier settled composite; revokes what the head served. */
  | 'rollback'
  | 'disable'
  | 'enable'

/** Limits that exceedance events are counted against; frozen before the first exposed request of a release. */
export interface FrozenThresholds {
  readonly costUsd: number
  readonly latencyMs: number
}

/** What a writer asks to append; the store adds seq, at and the chain. */
export interface EntryDraft {
  readonly cause: EntryCause
  readonly by: string
  readonly reason?: string
  readonly releaseId?: string
  readonly incumbent?: Digest
  readonly candidate?: Digest
  readonly exposure: readonly Slice[]
  readonly salt: string
  readonly revokes?: readonly Digest[]
  readonly thresholds?: FrozenThresholds
  /** Fields of the output that applications tell of, as the policy of the release names them. */
  readonly outputs?: readonly OutputField[]
  /** Custom metrics that join the evidence, as the policy of the release names them. */
  readonly quality?: readonly QualityRule[]
  /** What the candidate spends is kept by tenant, for a budget of the policy. */
  readonly tenantSpend?: true
}

/** One entry of a lane's append-only ledger. */
export interface Allocation extends EntryDraft {
  readonly environment: string
  readonly task: string
  /** 1, 2, 3, … without gaps. */
  readonly seq: number
  /** `<releaseId>/<step>/<action>`, unique in its lane. */
  readonly key: string
  /** Milliseconds since the epoch, by the store's clock plus the lead; strictly increasing with seq. */
  readonly at: number
  readonly disabled?: boolean
  readonly prev: string
  readonly hash: string
}

export const laneId = (environment: string, task: string): string => `${environment}/${task}`
