import type { Digest, Dropped, KindName } from './version'

/** How long what nothing needs is kept. What ever served, and its immediate parents, are kept for ever and have no setting. */
export interface RetentionPolicy {
  /** Days after an experiment was last registered, composed or evaluated. */
  readonly experimentDays: number
  /** Days that uploaded rows wait for a version that names them. */
  readonly uploadDays: number
  /** Contents up to this size are kept for ever: they cost nothing. */
  readonly heavyBytes: number
}

export const defaultRetention: RetentionPolicy = { experimentDays: 90, uploadDays: 7, heavyBytes: 4_096 }

/** What drops less: of two policies in each respect the longer one. */
export const longerOf = (one: RetentionPolicy, other: RetentionPolicy): RetentionPolicy => ({
  experimentDays: Math.max(one.experimentDays, other.experimentDays),
  uploadDays: Math.max(one.uploadDays, other.uploadDays),
  heavyBytes: Math.max(one.heavyBytes, other.heavyBytes),
})

export interface RetentionSetting extends RetentionPolicy {
  /** Whether the schedule drops by itself. Somebody has to ask for that: until then only a run that is asked for drops. */
  readonly automatic: boolean
  /** Absent: nobody ever set it, these are the defaults. */
  readonly by?: string
  readonly reason?: string
  readonly at?: number
}

export const garbagePhases = ['versions', 'outputs', 'rows', 'captures'] as const
export type GarbagePhase = (typeof garbagePhases)[number]

/** Of rows: uploaded ones that no dataset names, too. Of captures: sealed contents past their time. */
export interface GarbageTally {
  readonly count: number
  readonly bytes: number
}

export type GarbageTotals = Readonly<Record<GarbagePhase, GarbageTally>>

export const nothingDropped: GarbageTotals = {
  versions: { count: 0, bytes: 0 },
  outputs: { count: 0, bytes: 0 },
  rows: { count: 0, bytes: 0 },
  captures: { count: 0, bytes: 0 },
}

export interface GarbageItem {
  readonly ref: string
  readonly kind: KindName
  readonly digest: Digest
  readonly what: Dropped['what']
  readonly bytes: number
  /** When it was last registered, composed or evaluated; milliseconds since the epoch. */
  readonly lastUsedAt: number
  readonly why: string
}

/** What a run would drop now. */
export interface GarbagePlan {
  readonly policy: RetentionPolicy
  readonly at: number
  readonly totals: GarbageTotals
  /** The first of the versions, by name. */
  readonly items: readonly GarbageItem[]
  readonly kept: KeptTally
}

export interface KeptTally {
  /** Versions and composites that serve, served, or are named by what does. */
  readonly needed: number
  /** Of the versions with content: all of them, before anything is dropped. */
  readonly versions: number
}

/** Why one thing is kept, or what may become of it. */
export interface GarbageVerdict {
  readonly ref: string
  readonly digest: Digest
  readonly verdict: 'kept' | 'light' | 'recent' | 'droppable' | 'dropped'
  /** From what is needed by itself down to the thing; of what is not needed: why it stays or goes. */
  readonly path: readonly string[]
  readonly dropped?: Dropped
}

export const defaultSetting: RetentionSetting = { ...defaultRetention, automatic: false }

export const garbageRunStates = ['running', 'done', 'failed', 'cancelled'] as const
export type GarbageRunState = (typeof garbageRunStates)[number]

export interface GarbageRun {
  readonly id: string
  readonly by: string
  readonly state: GarbageRunState
  /** As it was when the run began; one that was made longer since counts at once. */
  readonly policy: RetentionPolicy
  readonly startedAt: number
  readonly endedAt?: number
  /** The part that it is at, or was at last. */
  readonly phase?: GarbagePhase
  /** Counted in the transactions that drop, so they are right at every moment, whatever died. */
  readonly totals: GarbageTotals
  /** Why it failed. */
  readonly failure?: string
}

export const dayMs = 24 * 3_600_000

/** The moment before which an experiment must have been used last to be dropped. */
export const experimentCutoff = ({ experimentDays }: RetentionPolicy, now: number): number =>
  now - experimentDays * dayMs
