import { type CompiledLane, compileLane, compositesOf } from './compiled-lane'
import { type CompiledPin, CompiledPins, type PinnedLane } from './compiled-pins'
import type { ServedComposite } from './composite'
import { type LookUp, Revocations } from './revocation'
import { changedLane, type LaneView, type Snapshot, type SnapshotDelta, type TenantView } from './snapshot'
import type { Digest } from './version'

export interface CompiledTenantEntry {
  readonly seq: number
  readonly at: number
  readonly ring: string
  /** Row of the pin table; -1: this tenant says nothing on any task. */
  readonly row: number
}

export interface CompiledTenant {
  readonly firstSeq: number
  readonly entries: readonly CompiledTenantEntry[]
  readonly ats: readonly number[]
  readonly views: readonly TenantView[]
}

export function pinOf(lane: CompiledLane, { row }: CompiledTenantEntry): CompiledPin | undefined {
  if (row < 0) return undefined
  const { table, list } = lane.pins
  const place = table.find(row, lane.index)
  return place < 0 ? undefined : list[place]
}

export const compileSnapshot = (snapshot: Snapshot): CompiledSnapshot => new CompiledSnapshot(snapshot)

/** Rows of pins and of what they were made from may be left over before everything is compiled afresh. */
const leastSlack = 4_096

/**
 * A snapshot with everything looked up that does not depend on the conversation, revocations included. A delta changes
 * it in place, at a cost that grows with what changed and hardly with the number of tenants.
 */
export class CompiledSnapshot {
  readonly environment: string
  readonly leadMs: number
  lanes: ReadonlyMap<string, CompiledLane> = new Map()
  tenants: ReadonlyMap<string, CompiledTenant> = new Map()
  private composites: ReadonlyMap<string, ServedComposite> = new Map()
  private pins: CompiledPins
  private current: string
  private slack = 0

  /** Use `compileSnapshot`. */
  constructor(snapshot: Snapshot) {
    this.environment = snapshot.environment
    this.leadMs = snapshot.leadMs
    this.current = snapshot.version
    this.pins = new CompiledPins(snapshot.environment, 0)
    this.compile(snapshot)
  }

  get version(): string {
    return this.current
  }

  composite(id: string): ServedComposite | undefined {
    return this.composites.get(id)
  }

  /** As plain JSON: of the size of the whole, so for rare use. */
  get snapshot(): Snapshot {
    return {
      specVersion: 1,
      environment: this.environment,
      version: this.current,
      leadMs: this.leadMs,
      lanes: Object.fromEntries([...this.lanes].map(([task, { view }]) => [task, view])),
      tenants: Object.fromEntries([...this.tenants].map(([tenant, { views }]) => [tenant, views])),
      composites: Object.fromEntries(this.composites),
    }
  }

  /**
   * Goes on to the snapshot that the delta leads to, as one: until it returns nothing has changed for a reader. False:
   * the delta starts from another version, and nothing happens.
   */
  apply(delta: SnapshotDelta): boolean {
    if (delta.from !== this.current) return false
    const views = Object.entries(delta.lanes).map(([task, change]): [string, LaneView | undefined] => [
      task,
      changedLane(this.lanes.get(task)?.view, change),
    ])
    // Tenants may say something on a task whose lane was unknown until now.
    const isNewShape = views.some(([task, view]) => view === undefined || !this.lanes.has(task))
    if (isNewShape || this.pins.size > this.slack) this.compile(this.snapshotAfter(delta, views))
    else this.change(delta, new Map(views as [string, LaneView][]))
    this.current = delta.to
    return true
  }

  private compile(snapshot: Snapshot): void {
    const { environment, composites } = snapshot
    const lookUp: LookUp = (id) => (id !== undefined && Object.hasOwn(composites, id) ? composites[id] : undefined)
    const histories = Object.entries(snapshot.tenants)
    const pins = new CompiledPins(environment, pairsOf(histories))
    const lanes = new Map<string, CompiledLane>()
    for (const view of Object.values(snapshot.lanes)) {
      lanes.set(view.task, compileLane(view, { revoked: revokedIn(view), index: lanes.size, pins }, lookUp))
    }
    const laneOf = (task: string) => lanes.get(task)
    const tenants = new Map<string, CompiledTenant>()
    for (const [tenant, views] of histories) tenants.set(tenant, compileTenant(views, pins, laneOf, lookUp))
    this.composites = new Map(Object.entries(composites))
    this.lanes = lanes
    this.tenants = tenants
    this.pins = pins
    this.slack = 2 * pins.size + leastSlack
  }

  /** Everything is made before anything is put in its place. */
  private change(delta: SnapshotDelta, views: Map<string, LaneView>): void {
    const changes = new Map(Object.entries(delta.composites))
    const lookUp: LookUp = (id) => {
      if (id === undefined) return undefined
      const changed = changes.get(id)
      return changed === undefined ? this.composites.get(id) : (changed ?? undefined)
    }
    if (changes.size > 0) {
      for (const [task, { view }] of this.lanes) {
        if (!views.has(task) && compositesOf(view).some((id) => changes.has(id))) views.set(task, view)
      }
    }
    const made = new Map<string, CompiledLane>()
    for (const [task, view] of views) {
      const { index, pins } = this.lanes.get(task) as CompiledLane
      made.set(task, compileLane(view, { revoked: revokedIn(view), index, pins }, lookUp))
    }
    const laneOf = (task: string) => made.get(task) ?? this.lanes.get(task)
    const tenants = Object.entries(delta.tenants).map(([tenant, history]): [string, CompiledTenant | null] => [
      tenant,
      history && compileTenant(history, this.pins, laneOf, lookUp),
    ])
    const before = new Map(
      [...made.keys()].map((task): [number, Revocations] => {
        const { index, revoked } = this.lanes.get(task) as CompiledLane
        return [index, revoked]
      }),
    )
    put(this.lanes, made)
    put(this.tenants, tenants)
    put(this.composites, changes)
    if (made.size + changes.size === 0) return
    const concerned = new Map([...this.lanes.values()].map((lane): [number, CompiledLane] => [lane.index, lane]))
    const mayHaveMoved = (lane: number, pinned: Digest): boolean =>
      changes.has(pinned) || before.get(lane)?.has(pinned) === true || concerned.get(lane)?.revoked.has(pinned) === true
    if (changes.size === 0) for (const index of concerned.keys()) if (!before.has(index)) concerned.delete(index)
    this.pins.renew(concerned, mayHaveMoved, lookUp)
  }

  private snapshotAfter(delta: SnapshotDelta, views: readonly [string, LaneView | undefined][]): Snapshot {
    const { lanes, tenants, composites, ...rest } = this.snapshot
    const after = <T>(rows: Readonly<Record<string, T>>, changes: Iterable<[string, T | null | undefined]>) => {
      const next = new Map(Object.entries(rows))
      put(next, changes)
      return Object.fromEntries(next)
    }
    return {
      ...rest,
      lanes: after(lanes, views),
      tenants: after(tenants, Object.entries(delta.tenants)),
      composites: after(composites, Object.entries(delta.composites)) as Snapshot['composites'],
    }
  }
}

/** Tenants name the rows, so that they are never put into an object by assignment. */
function put<T>(rows: ReadonlyMap<string, T>, changes: Iterable<[string, T | null | undefined]>): void {
  const table = rows as Map<string, T>
  for (const [key, value] of changes) {
    if (value === null || value === undefined) table.delete(key)
    else table.set(key, value)
  }
}

const revokedIn = ({ olderRevocations = [], entries }: LaneView): Revocations =>
  new Revocations([...olderRevocations, ...entries])

function compileTenant(
  views: readonly TenantView[],
  pins: CompiledPins,
  laneOf: (task: string) => PinnedLane | undefined,
  lookUp: LookUp,
): CompiledTenant {
  return {
    firstSeq: views[0]?.seq ?? 1,
    entries: views.map(({ seq, at, state }) => ({
      seq,
      at,
      ring: state.ring,
      row: pins.add(state.tasks, laneOf, lookUp),
    })),
    ats: views.map(({ at }) => at),
    views,
  }
}

function pairsOf(histories: readonly (readonly [string, readonly TenantView[]])[]): number {
  let pairs = 0
  for (const [, views] of histories) for (const { state } of views) pairs += Object.keys(state.tasks).length
  return pairs
}
