import { changedLane, type LaneView, laneChange, type Snapshot, type SnapshotDelta } from '../../src/domain/snapshot'

/** Tenants name the rows: `__proto__` is a row like any other, so rows are built as entries and never by assignment. */
function changedRows<T, C>(
  before: Readonly<Record<string, T>>,
  after: Readonly<Record<string, T>>,
  changeOf: (old: T | undefined, value: T) => C,
): Record<string, C | null> {
  const rows = new Map<string, C | null>()
  for (const [key, value] of Object.entries(after)) {
    const old = Object.hasOwn(before, key) ? before[key] : undefined
    if (old === undefined || JSON.stringify(old) !== JSON.stringify(value)) rows.set(key, changeOf(old, value))
  }
  for (const key of Object.keys(before)) if (!Object.hasOwn(after, key)) rows.set(key, null)
  return Object.fromEntries(rows)
}

/** What turns `before` into `after`, by comparing everything. */
export function diffSnapshots(before: Snapshot, after: Snapshot): SnapshotDelta {
  return {
    from: before.version,
    to: after.version,
    lanes: changedRows(before.lanes, after.lanes, laneChange),
    tenants: changedRows(before.tenants, after.tenants, (_, value) => value),
    composites: changedRows(before.composites, after.composites, (_, value) => value),
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

/** The snapshot after the delta, row by row. */
export function applyDelta(snapshot: Snapshot, delta: SnapshotDelta): Snapshot {
  const lanes = Object.entries(delta.lanes).map(([task, change]): [string, LaneView | null] => [
    task,
    changedLane(Object.hasOwn(snapshot.lanes, task) ? snapshot.lanes[task] : undefined, change) ?? null,
  ])
  return {
    ...snapshot,
    version: delta.to,
    lanes: patched(snapshot.lanes, Object.fromEntries(lanes)),
    tenants: patched(snapshot.tenants, delta.tenants),
    composites: patched<unknown>(snapshot.composites, delta.composites) as Snapshot['composites'],
  }
}
