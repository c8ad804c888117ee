import { type CompiledEntry, type CompiledLane, entryAt } from '../domain/compiled-lane'
import { type CompiledSnapshot, compileSnapshot } from '../domain/compiled-snapshot'
import type { LaneEntry, Snapshot, SnapshotDelta, TenantView } from '../domain/snapshot'
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

/**
 * How another snapshot stands to the held one. `older`: a ledger ends before the held one does, and nothing contradicts
 * that both are one ledger. `another`: an entry that both have differs, so the held one is no earlier state of it.
 */
export type Standing = 'follows' | 'older' | 'another'

/** The snapshot that this process serves by, and how long ago the server confirmed it. */
export class HeldSnapshot {
  private held: CompiledSnapshot | undefined
  private confirmedAt = Number.NEGATIVE_INFINITY
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

  /** Since the server confirmed what is held; `Infinity` where it never did. */
  get ageMs(): number {
    return Math.max(0, this.clock.elapsed() - this.confirmedAt)
  }

  /** The server said just now that this is the newest; or so long ago. */
  confirm(ageMs = 0): void {
    this.confirmedAt = this.clock.elapsed() - ageMs
  }

  /** The entries that this process heard of after they began to count. */
  replace(next: Snapshot): readonly Gap[] {
    const isFirst = this.held === undefined || this.standingOf(next) === 'another'
    // Gaps are told by seq, and those of another ledger say nothing of this one.
    if (isFirst) this.gaps.clear()
    const gaps = isFirst ? [] : this.gapsOf(this.headsNow(Object.keys(next.lanes)), next.lanes)
    this.held = compileSnapshot(next)
    return gaps
  }

  /** Undefined: the delta starts from another version, so the whole must be fetched. */
  apply(delta: SnapshotDelta): readonly Gap[] | undefined {
    const heads = this.headsNow(Object.keys(delta.lanes))
    return this.held?.apply(delta) ? this.gapsOf(heads, delta.lanes) : undefined
  }

  /** Ledgers only grow: a snapshot with a shorter one is from an earlier moment, or of another ledger. */
  standingOf(other: Snapshot): Standing {
    let standing: Standing = 'follows'
    for (const [ours, theirs] of this.ledgersBeside(other)) {
      const found = ledgerStanding(ours, theirs)
      if (found === 'another') return found
      if (found === 'older') standing = found
    }
    return standing
  }

  private *ledgersBeside(other: Snapshot): Iterable<readonly [readonly Mark[], readonly Mark[]]> {
    for (const { task, view } of this.held?.lanes.values() ?? []) {
      yield [view.entries, own(other.lanes, task)?.entries ?? []]
    }
    for (const [tenant, { views }] of this.held?.tenants ?? []) yield [views, own(other.tenants, tenant) ?? []]
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

/** What tells entries of the same seq apart. */
type Mark = TenantView | LaneEntry

/** Of one ledger, entries in seq order without gaps; the newest seq that both sides have speaks for all before it. */
function ledgerStanding(ours: readonly Mark[], theirs: readonly Mark[]): Standing {
  const [head, otherHead] = [ours.at(-1), theirs.at(-1)]
  if (head === undefined) return 'follows'
  if (otherHead === undefined) return 'older'
  const seq = Math.min(head.seq, otherHead.seq)
  const [entry, other] = [markAt(ours, seq), markAt(theirs, seq)]
  if (entry !== undefined && other !== undefined && identityOf(entry) !== identityOf(other)) return 'another'
  return otherHead.seq < head.seq ? 'older' : 'follows'
}

const markAt = (ledger: readonly Mark[], seq: number): Mark | undefined => ledger[seq - (ledger[0]?.seq ?? 1)]

/** Not the whole entry: a newer server may tell more of the same one. */
function identityOf(mark: Mark): string {
  const { at, salt, incumbent, candidate } = mark as Partial<LaneEntry>
  return JSON.stringify([at, salt, incumbent, candidate])
}

/** People name tasks and tenants: one called `constructor` must not be found in what every object inherits. */
const own = <T>(rows: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(rows, name) ? rows[name] : undefined

/** A rollback, and whatever exposes nobody, acts on receipt: hearing of it after its `at` is no lateness. */
export function lateEntryOf(gap: Gap, entry: CompiledEntry | undefined): LateEntry | undefined {
  if (entry === undefined || entry.candidate === undefined || entry.entry.revokes !== undefined) return undefined
  return { task: gap.task, seq: gap.seq, lateMs: gap.to - gap.from }
}
