import type { Allocation } from './allocation'
import type { CaptureShare } from './capture'
import type { ServedComposite } from './composite'
import type { ShadowView } from './shadow'
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
  /** A candidate that answers copies of requests; absent: none. Who is served what does not depend on it. */
  readonly shadow?: ShadowView
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

/** The parts that changed between two snapshots; a removed key is `null`. */
export interface SnapshotDelta {
  readonly from: string
  readonly to: string
  readonly lanes: Readonly<Record<string, LaneView | null>>
  readonly tenants: Readonly<Record<string, readonly TenantView[] | null>>
  readonly composites: Readonly<Record<string, ServedComposite | null>>
}

type Table = 'lanes' | 'tenants' | 'composites'

/** Tenants name the rows: `__proto__` is a row like any other, so rows are built as entries and never by assignment. */
function changedRows<T>(
  before: Readonly<Record<string, T>>,
  after: Readonly<Record<string, T>>,
): Record<string, T | null> {
  const rows = new Map<string, T | null>()
  for (const [key, value] of Object.entries(after)) {
    const old = Object.hasOwn(before, key) ? before[key] : undefined
    if (old === undefined || JSON.stringify(old) !== JSON.stringify(value)) rows.set(key, value)
  }
  for (const key of Object.keys(before)) if (!Object.hasOwn(after, key)) rows.set(key, null)
  return Object.fromEntries(rows)
}

/** What turns `before` into `after`; both of one environment. */
export function diffSnapshots(before: Snapshot, after: Snapshot): SnapshotDelta {
  return {
    from: before.version,
    to: after.version,
    lanes: changedRows(before.lanes, after.lanes),
    tenants: changedRows(before.tenants, after.tenants),
    composites: changedRows(before.composites, after.composites),
  }
}

function patched<T>(rows: Readonly<Record<string, T>>, changes: Readonly<Record<string, T | null>>): Record<string, T> {
  const next = new Map(Object.entries(rows))
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) next.delete(key)
    else next.set(key, value)
  }
  return Object.fromEntries(next)
}

/** The snapshot after `delta`; undefined when the delta starts from another version. */
export function applyDelta(snapshot: Snapshot, delta: SnapshotDelta): Snapshot | undefined {
  if (snapshot.version !== delta.from) return undefined
  const part = <K extends Table>(table: K) => patched<unknown>(snapshot[table], delta[table]) as unknown as Snapshot[K]
  return {
    ...snapshot,
    version: delta.to,
    lanes: part('lanes'),
    tenants: part('tenants'),
    composites: part('composites'),
  }
}
