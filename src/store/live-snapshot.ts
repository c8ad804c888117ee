import type { CaptureShare } from '../domain/capture'
import type { ServedComposite } from '../domain/composite'
import {
  horizonMs,
  type LaneChange,
  type LaneView,
  laneChange,
  type Snapshot,
  type SnapshotDelta,
  type TenantView,
} from '../domain/snapshot'
import type { Digest } from '../domain/version'
import { digestOf } from './canonical'
import { RowTable } from './row-table'
import { readCaptures, readEntries, readWhole, type SnapshotSource } from './snapshot-reading'
import {
  continued,
  emptyLedger,
  type LaneLedger,
  laneEntry,
  leftBy,
  namedBy,
  pinsOf,
  prunedLedger,
  revocationsOfPins,
  tenantView,
} from './snapshot-views'

/** What may have changed since the last reading. */
export interface SnapshotChanges {
  /** Anything: everything is read again. */
  readonly whole: boolean
  /** Ids of entries that were appended. */
  readonly allocations: ReadonlySet<string>
  readonly tenantEntries: ReadonlySet<string>
  /** Tasks, or what is captured of them. */
  readonly tasks: boolean
}

export const everything: SnapshotChanges = {
  whole: true,
  allocations: new Set(),
  tenantEntries: new Set(),
  tasks: true,
}

/** How long before a forward entry counts that applications have it; they poll at least this often. */
const defaultLeadMs = 2_000
const pruneEveryMs = 5 * 60_000

interface TaskRow {
  /** False: it has no definition, only a wish for contents of its requests. */
  readonly isDefined: boolean
  readonly supersedes?: string
  readonly capture?: CaptureShare
}

/** What is to be put in the place of what is there; undefined: taken away. */
interface Next {
  readonly tasks: ReadonlyMap<string, TaskRow>
  readonly ledgers: ReadonlyMap<string, LaneLedger | undefined>
  readonly tenants: ReadonlyMap<string, readonly TenantView[] | undefined>
}

const compositePage = 200

/**
 * The snapshot of one environment, kept up to date by reading what was appended. What a reading costs grows with what
 * changed, not with what there is. Readings come one at a time.
 */
export class LiveSnapshot {
  private readonly lanes = new RowTable<LaneView>()
  private readonly tenants = new RowTable<readonly TenantView[]>()
  private readonly composites = new RowTable<ServedComposite>()
  private tasks: ReadonlyMap<string, TaskRow> = new Map()
  private readonly ledgers = new Map<string, LaneLedger>()
  /** How often the rows name each composite. */
  private readonly named = new Map<Digest, number>()
  private readonly environment: string
  private readonly source: SnapshotSource
  private current = ''
  private prunedAt = Number.NEGATIVE_INFINITY

  constructor(source: SnapshotSource, environment: string) {
    this.source = source
    this.environment = environment
  }

  /** Content hash: the same for the same content, whichever server keeps it. */
  get version(): string {
    return this.current
  }

  get snapshot(): Snapshot {
    const { environment, version } = this
    const [lanes, tenants, composites] = [this.lanes, this.tenants, this.composites].map((table) =>
      Object.fromEntries(table.entries() as Iterable<[string, unknown]>),
    ) as [Snapshot['lanes'], Snapshot['tenants'], Snapshot['composites']]
    return { specVersion: 1, environment, version, leadMs: defaultLeadMs, lanes, tenants, composites }
  }

  /** `snapshot` as JSON. */
  get text(): string {
    const { environment, version, lanes, tenants, composites } = this
    const head = JSON.stringify({ specVersion: 1, environment, version, leadMs: defaultLeadMs })
    return `${head.slice(0, -1)},"lanes":${lanes.text},"tenants":${tenants.text},"composites":${composites.text}}`
  }

  /**
   * Reads what changed, and lets go of what left the horizon. Undefined: it is the same snapshot as before. Where it
   * throws, nothing has changed. `now` is ms since the epoch by the store's clock.
   */
  async update(changes: SnapshotChanges, now: number): Promise<SnapshotDelta | undefined> {
    // Entries leave by time alone; looking for them among all tenants is not for every change.
    const isPruning = now - this.prunedAt >= pruneEveryMs
    const cutoff = now - horizonMs
    const tasks = changes.whole || changes.tasks ? await this.readTasks() : this.tasks
    const appended = changes.whole ? undefined : await this.appended(changes, isPruning ? cutoff : undefined)
    const delta = await this.replace({ tasks, ...(appended ?? (await this.whole(cutoff))) })
    if (isPruning || appended === undefined) this.prunedAt = now
    return delta
  }

  private async readTasks(): Promise<ReadonlyMap<string, TaskRow>> {
    const { database, catalog } = this.source
    const rows = new Map<string, TaskRow>()
    for (const { name, supersedes } of await catalog.tasks()) {
      rows.set(name, { isDefined: true, ...(supersedes === undefined ? {} : { supersedes }) })
    }
    for (const { task, basisPoints } of await readCaptures(database, this.environment)) {
      rows.set(task, { isDefined: false, ...rows.get(task), capture: { basisPoints } })
    }
    return rows
  }

  private async whole(cutoff: number): Promise<Omit<Next, 'tasks'>> {
    const { lanes, tenants, rollbacks } = await readWhole(this.source.database, this.environment, cutoff)
    const ledgers = new Map<string, LaneLedger | undefined>([...this.ledgers.keys()].map((task) => [task, undefined]))
    for (const [task, rows] of lanes) {
      const entries = rows.map(laneEntry)
      const first = entries[0]?.seq ?? 1
      const older = rollbacks.get(task)?.filter(({ seq }) => seq < first) ?? []
      ledgers.set(task, { entries, older: older.map(laneEntry) })
    }
    const views = new Map<string, readonly TenantView[] | undefined>()
    for (const [tenant] of this.tenants.entries()) views.set(tenant, undefined)
    for (const [tenant, rows] of tenants) views.set(tenant, rows.map(tenantView))
    return { ledgers, tenants: views }
  }

  /** Undefined: an entry is missing, so that everything has to be read. */
  private async appended(
    changes: SnapshotChanges,
    cutoff = Number.NEGATIVE_INFINITY,
  ): Promise<Omit<Next, 'tasks'> | undefined> {
    const allocations = [...changes.allocations].filter((id) => id.startsWith(`${this.environment}/`))
    const rows = await readEntries(this.source.database, { allocations, tenantEntries: [...changes.tenantEntries] })
    if (rows === undefined) return undefined
    const { ledgers, tenants } = this.pruned(cutoff)
    for (const [task, more] of rows.lanes) {
      const known = ledgers.get(task) ?? this.ledgers.get(task) ?? emptyLedger
      const entries = continued(known.entries, more.map(laneEntry))
      if (entries === undefined) return undefined
      ledgers.set(task, prunedLedger({ ...known, entries }, cutoff))
    }
    for (const [tenant, more] of rows.tenants) {
      const entries = continued(tenants.get(tenant) ?? this.tenants.get(tenant) ?? [], more.map(tenantView))
      if (entries === undefined) return undefined
      tenants.set(tenant, entries.slice(leftBy(entries, cutoff)))
    }
    return { ledgers, tenants }
  }

  /** What is left of those that lose entries. */
  private pruned(cutoff: number) {
    const ledgers = new Map<string, LaneLedger>()
    const tenants = new Map<string, readonly TenantView[]>()
    if (cutoff === Number.NEGATIVE_INFINITY) return { ledgers, tenants }
    for (const [task, known] of this.ledgers) {
      if (leftBy(known.entries, cutoff) > 0) ledgers.set(task, prunedLedger(known, cutoff))
    }
    for (const [tenant, views] of this.tenants.entries()) {
      const left = leftBy(views, cutoff)
      if (left > 0) tenants.set(tenant, views.slice(left))
    }
    return { ledgers, tenants }
  }

  private async replace(next: Next): Promise<SnapshotDelta | undefined> {
    const views = this.viewsOf(next)
    const counts = new Map<Digest, number>()
    const count = (by: number, lane: LaneView | undefined, tenant: readonly TenantView[] | undefined) => {
      for (const id of namedBy(this.environment, lane, tenant))
        counts.set(id, (counts.get(id) ?? this.named.get(id) ?? 0) + by)
    }
    for (const [task, view] of views) {
      count(-1, this.lanes.get(task), undefined)
      count(1, view, undefined)
    }
    for (const [tenant, history] of next.tenants) {
      count(-1, undefined, this.tenants.get(tenant))
      count(1, undefined, history)
    }
    const gained = await this.served([...counts].flatMap(([id, times]) => (times > 0 ? [id] : [])))
    // From here on nothing waits and nothing throws, so that a reader sees the old snapshot or the new one.
    const before = this.current
    const lanes = new Map<string, LaneChange | null>()
    for (const [task, view] of views) {
      const known = this.lanes.get(task)
      if (this.lanes.set(task, view)) lanes.set(task, view === undefined ? null : laneChange(known, view))
    }
    const tenants = new Map<string, readonly TenantView[] | null>()
    for (const [tenant, history] of next.tenants) {
      if (this.tenants.set(tenant, history)) tenants.set(tenant, history ?? null)
    }
    const composites = this.recount(counts, gained)
    this.tasks = next.tasks
    for (const [task, ledger] of next.ledgers) {
      if (ledger === undefined) this.ledgers.delete(task)
      else this.ledgers.set(task, ledger)
    }
    if (before !== '' && lanes.size + tenants.size + composites.size === 0) return undefined
    this.current = this.digest()
    const rows = { lanes: Object.fromEntries(lanes), tenants: Object.fromEntries(tenants) }
    return { from: before, to: this.current, ...rows, composites: Object.fromEntries(composites) }
  }

  /** The lanes whose view may differ now. */
  private viewsOf(next: Next): ReadonlyMap<string, LaneView | undefined> {
    const touched = new Set(next.ledgers.keys())
    if (next.tasks !== this.tasks) for (const task of [...this.tasks.keys(), ...next.tasks.keys()]) touched.add(task)
    for (const [tenant, history] of next.tenants) {
      for (const views of [this.tenants.get(tenant) ?? [], history ?? []]) {
        for (const [task] of pinsOf(this.environment, views))
          if (this.ledgers.get(task)?.older.length) touched.add(task)
      }
    }
    const ledgerOf = (task: string) => (next.ledgers.has(task) ? next.ledgers.get(task) : this.ledgers.get(task))
    const meeting = [...touched].filter((task) => ledgerOf(task)?.older.length)
    const pinned = meeting.length === 0 ? new Map<string, Set<Digest>>() : this.pinned(new Set(meeting), next)
    return new Map(
      [...touched].map((task): [string, LaneView | undefined] => {
        const [row, ledger] = [next.tasks.get(task), ledgerOf(task)]
        if (!row?.isDefined && ledger === undefined) return [task, undefined]
        const { isDefined: _, ...wishes } = row ?? { isDefined: false }
        const olderRevocations = revocationsOfPins(pinned.get(task) ?? new Set(), ledger?.older ?? [])
        const older = olderRevocations.length > 0 ? { olderRevocations } : {}
        return [task, { task, ...wishes, entries: ledger?.entries ?? [], ...older }]
      }),
    )
  }

  /** What tenants are pinned to in these tasks. */
  private pinned(tasks: ReadonlySet<string>, next: Next): ReadonlyMap<string, Set<Digest>> {
    const pinned = new Map<string, Set<Digest>>([...tasks].map((task) => [task, new Set()]))
    const add = (views: readonly TenantView[]) => {
      for (const [task, { composite }] of pinsOf(this.environment, views)) pinned.get(task)?.add(composite)
    }
    for (const [tenant, views] of this.tenants.entries()) if (!next.tenants.has(tenant)) add(views)
    for (const views of next.tenants.values()) add(views ?? [])
    return pinned
  }

  /** Of these composites those that are not there yet. */
  private async served(ids: readonly Digest[]): Promise<readonly ServedComposite[]> {
    const missing = ids.filter((id) => this.composites.get(id) === undefined)
    const found: ServedComposite[] = []
    for (let from = 0; from < missing.length; from += compositePage) {
      found.push(...(await this.source.catalog.compositesByIds(missing.slice(from, from + compositePage))))
    }
    return found
  }

  private recount(
    counts: ReadonlyMap<Digest, number>,
    gained: readonly ServedComposite[],
  ): ReadonlyMap<string, ServedComposite | null> {
    const changed = new Map<string, ServedComposite | null>()
    for (const composite of gained)
      if (this.composites.set(composite.id, composite)) changed.set(composite.id, composite)
    for (const [id, times] of counts) {
      if (times > 0) this.named.set(id, times)
      else {
        this.named.delete(id)
        if (this.composites.set(id, undefined)) changed.set(id, null)
      }
    }
    return changed
  }

  private digest(): string {
    const { environment, lanes, tenants, composites } = this
    const parts = { lanes: lanes.digest, tenants: tenants.digest, composites: composites.digest }
    return digestOf({ specVersion: 1, environment, leadMs: defaultLeadMs, ...parts })
  }
}
