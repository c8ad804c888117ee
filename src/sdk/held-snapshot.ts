import { type CompiledEntry, type CompiledLane, entryAt } from '../domain/compiled-lane'
import { type CompiledSnapshot, compileSnapshot } from '../domain/compiled-snapshot'
import type { LaneEntry, Snapshot, SnapshotDelta } from '../domain/snapshot'
import type { LateEntry } from '../domain/telemetry'
import type { ServerClock } from './server-clock'

/** Between an entry's `at` and the moment when this process heard of it. By the server's clock. */
export interface Gap {
  readonly task: string
  readonly seq: number
  readonly from: number
  readonly to: number
}

const maxGapsPerTask = 16

/** The snapshot that this process serves by, and how long ago the server confirmed it. */
export class HeldSnapshot {
  private held: CompiledSnapshot | undefined
  private confirmedAt = 0
  private readonly gaps = new Map<string, Gap[]>()
  private readonly clock: ServerClock

  constructor(clock: ServerClock) {
    this.clock = clock
  }

  get compiled(): CompiledSnapshot | undefined {
    return this.held
  }

  get version(): string | undefined {
    return this.held?.version
  }

  get ageMs(): number {
    return Math.max(0, this.clock.elapsed() - this.confirmedAt)
  }

  /** The server said just now that this is the newest; or so long ago. */
  confirm(ageMs = 0): void {
    this.confirmedAt = this.clock.elapsed() - ageMs
  }

  /** The entries that this process heard of after they began to count. */
  replace(next: Snapshot): readonly Gap[] {
    const gaps = this.held === undefined ? [] : this.gapsOf(this.headsNow(Object.keys(next.lanes)), next.lanes)
    this.held = compileSnapshot(next)
    return gaps
  }

  /** Undefined: the delta starts from another version, so the whole must be fetched. */
  apply(delta: SnapshotDelta): readonly Gap[] | undefined {
    const heads = this.headsNow(Object.keys(delta.lanes))
    return this.held?.apply(delta) ? this.gapsOf(heads, delta.lanes) : undefined
  }

  /** Ledgers only grow: a snapshot with a shorter one is from an earlier moment. */
  isNewerThan(other: Snapshot): boolean {
    for (const { task, head } of this.held?.lanes.values() ?? []) {
      if (head && headOf(other.lanes, task) < head.seq) return true
    }
    for (const [tenant, { firstSeq, entries }] of this.held?.tenants ?? []) {
      const known = Object.hasOwn(other.tenants, tenant) ? (other.tenants[tenant]?.at(-1)?.seq ?? 0) : 0
      if (known < firstSeq + entries.length - 1) return true
    }
    return false
  }

  lane(task: string): CompiledLane | undefined {
    return this.held?.lanes.get(task)
  }

  entry(task: string, seq: number): CompiledEntry | undefined {
    return entryAt(this.lane(task), seq)
  }

  headSeq(task: string): number {
    return this.held?.lanes.get(task)?.head?.seq ?? 0
  }

  /** The newest entry of each lane that this process serves by. */
  heads(): Record<string, number> {
    const heads: Record<string, number> = {}
    for (const { task, head } of this.held?.lanes.values() ?? []) if (head) heads[task] = head.seq
    return heads
  }

  /** Whether a conversation of the task that began then, began in a gap. */
  inGap(task: string, startedAt: number): boolean {
    return this.gaps.get(task)?.some((gap) => gap.from <= startedAt && startedAt < gap.to) ?? false
  }

  private headsNow(tasks: readonly string[]): ReadonlyMap<string, number> {
    return new Map(tasks.map((task) => [task, this.headSeq(task)]))
  }

  private gapsOf(
    heads: ReadonlyMap<string, number>,
    lanes: Readonly<Record<string, { readonly entries: readonly LaneEntry[] } | null>>,
  ): Gap[] {
    const now = this.clock.now()
    const found: Gap[] = []
    for (const [task, lane] of Object.entries(lanes)) {
      for (const { seq, at } of lane?.entries ?? []) {
        if (seq <= (heads.get(task) ?? 0) || at >= now) continue
        const gap = { task, seq, from: at, to: now }
        found.push(gap)
        const known = this.gaps.get(task) ?? []
        this.gaps.set(task, [...known, gap].slice(-maxGapsPerTask))
      }
    }
    return found
  }
}

/** People name tasks and tenants: one called `constructor` must not be found in what every object inherits. */
const headOf = (lanes: Snapshot['lanes'], task: string): number =>
  Object.hasOwn(lanes, task) ? (lanes[task]?.entries.at(-1)?.seq ?? 0) : 0

/** A rollback, and whatever exposes nobody, acts on receipt: hearing of it after its `at` is no lateness. */
export function lateEntryOf(gap: Gap, entry: CompiledEntry | undefined): LateEntry | undefined {
  if (entry === undefined || entry.candidate === undefined || entry.entry.revokes !== undefined) return undefined
  return { task: gap.task, seq: gap.seq, lateMs: gap.to - gap.from }
}
