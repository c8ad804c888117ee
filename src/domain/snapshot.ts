import type { Allocation } from './allocation'
import type { CaptureShare } from './capture'
import type { ServedComposite } from './composite'
import type { TenantState } from './tenant'
import type { Digest } from './version'

/** The part of a ledger entry that resolution needs. */
export type LaneEntry = Pick<
  Allocation,
  | 'seq'
  | 'at'
  | 'incumbent'
  | 'candidate'
  | 'exposure'
  | 'salt'
  | 'revokes'
  | 'disabled'
  | 'thresholds'
  | 'outputs'
  | 'releaseId'
>

/** A lane within the horizon: its entries in seq order, contiguous, the head last. */
export interface LaneView {
  readonly task: string
  readonly supersedes?: string
  /** Inputs and outputs of such a share of the conversations are wanted; absent: of none. */
  readonly capture?: CaptureShare
  readonly entries: readonly LaneEntry[]
  /** Revoking entries that left the horizon: a pin of a tenant can be older than any entry in `entries`. */
  readonly olderRevocations?: readonly Pick<LaneEntry, 'seq' | 'incumbent' | 'revokes'>[]
}

export interface TenantView {
  readonly seq: number
  readonly at: number
  readonly state: Pick<TenantState, 'ring' | 'tasks'>
}

/** All an application needs to resolve without asking anyone. Plain JSON; `specVersion` guards its shape. */
export interface Snapshot {
  readonly specVersion: 1
  readonly environment: string
  /** Content hash; the ETag of its HTTP resource. */
  readonly version: string
  readonly leadMs: number
  readonly lanes: Readonly<Record<string, LaneView>>
  /** Tenants the ledger knows: entries within the horizon, seq order, the newest last. */
  readonly tenants: Readonly<Record<string, readonly TenantView[]>>
  /** Every composite an entry or a pin of this snapshot can resolve to. */
  readonly composites: Readonly<Record<Digest, ServedComposite>>
}

/** One horizon: entries leave the snapshot this long after their successor's `at`. */
export const horizonMs = 30 * 24 * 3_600_000

/** A lane that changed. */
export interface LaneChange extends LaneView {
  /** The seq of the oldest known entry that stays; `entries` are then those behind the known ones. Absent: they are all. */
  readonly keepsFrom?: number
}

/** The parts that changed between two snapshots; a removed key is `null`. */
export interface SnapshotDelta {
  readonly from: string
  readonly to: string
  readonly lanes: Readonly<Record<string, LaneChange | null>>
  readonly tenants: Readonly<Record<string, readonly TenantView[] | null>>
  readonly composites: Readonly<Record<string, ServedComposite | null>>
}

/** What turns one view of a lane into another: a ledger only grows, so the entries that both have are not told again. */
export function laneChange(before: LaneView | undefined, after: LaneView): LaneChange {
  const [known, first] = [before?.entries.at(-1)?.seq, after.entries[0]?.seq]
  if (before === undefined || known === undefined || first === undefined) return after
  const kept = before.entries.filter(({ seq }) => seq >= first)
  const isSame = (entry: LaneEntry, place: number): boolean => {
    const other = after.entries[place]
    return entry === other || JSON.stringify(entry) === JSON.stringify(other)
  }
  if (kept.length === 0 || !kept.every(isSame)) return after
  return { ...after, entries: after.entries.slice(kept.length), keepsFrom: first }
}

/** The lane after the change; undefined: there is none any more. */
export function changedLane(before: LaneView | undefined, change: LaneChange | null): LaneView | undefined {
  if (change === null) return undefined
  const { keepsFrom, ...view } = change
  if (keepsFrom === undefined) return view
  const kept = before?.entries.filter(({ seq }) => seq >= keepsFrom) ?? []
  return { ...view, entries: [...kept, ...view.entries] }
}
