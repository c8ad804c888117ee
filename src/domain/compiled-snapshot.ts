import { assert } from '../errors'
import { bindingText } from './binding'
import { type HashState, hashedSalt } from './bucket'
import type { ServedComposite } from './composite'
import { PinTable } from './pin-table'
import { Revocations } from './revocation'
import type { LaneEntry, LaneView, Snapshot } from './snapshot'
import type { TenantTask } from './tenant'
import type { Digest } from './version'

/** A composite after rule 5, looked up; `composite` absent: nothing serves. */
export interface CompiledStanding {
  readonly composite: ServedComposite | undefined
  readonly moved: boolean
}

/** Neither `tenants` nor `ring`: the slice matches everyone. */
export interface CompiledSlice {
  readonly index: number
  readonly tenants: ReadonlySet<string> | undefined
  readonly ring: string | undefined
  readonly basisPoints: number
  readonly byTenant: boolean
}

export interface CompiledEntry {
  readonly seq: number
  readonly at: number
  readonly entry: LaneEntry
  readonly salt: HashState
  readonly slices: readonly CompiledSlice[]
  /** Absent: the entry names no candidate. */
  readonly candidate: CompiledStanding | undefined
  readonly incumbent: CompiledStanding | undefined
  /** The bindings to this entry by tenant seq, as far as they were asked for. */
  readonly bindings: string[]
}

export interface CompiledLane {
  readonly task: string
  /** Place among the lanes, by which the pin table knows it. */
  readonly index: number
  /** Those of all lanes: one table serves them. */
  readonly pins: CompiledPins
  readonly runsByDefault: boolean
  readonly firstSeq: number
  readonly entries: readonly CompiledEntry[]
  /** The `at` of each entry, side by side: a search touches nothing else. */
  readonly ats: readonly number[]
  readonly disabled: boolean
  readonly head: CompiledEntry | undefined
}

/** A tenant's say on one task. `reason` present: the composite is fixed, whatever the lane does. */
export interface CompiledPin extends CompiledStanding {
  readonly runs: boolean | undefined
  readonly reason: 'override' | 'opt_out' | undefined
}

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
}

const maxKeptBindings = 32

/** The text of a binding to this entry. It is made once and then shared: requests of one tenant want the same. */
export function bindingTo({ seq, bindings }: CompiledEntry, tenantSeq: number): string {
  const known = bindings[tenantSeq]
  if (known !== undefined) return known
  const text = bindingText(seq, tenantSeq)
  if (tenantSeq < maxKeptBindings) bindings[tenantSeq] = text
  return text
}

/** A snapshot with everything looked up that does not depend on the conversation, revocations included. */
export interface CompiledSnapshot {
  readonly snapshot: Snapshot
  readonly lanes: ReadonlyMap<string, CompiledLane>
  readonly tenants: ReadonlyMap<string, CompiledTenant>
}

/** What tenants say on tasks: most of them say the same few things, which are kept once. */
export interface CompiledPins {
  readonly table: PinTable
  readonly list: readonly CompiledPin[]
}

export function pinOf(lane: CompiledLane, { row }: CompiledTenantEntry): CompiledPin | undefined {
  if (row < 0) return undefined
  const { table, list } = lane.pins
  const place = table.find(row, lane.index)
  return place < 0 ? undefined : list[place]
}

export function compileSnapshot(snapshot: Snapshot): CompiledSnapshot {
  const views = Object.values(snapshot.lanes)
  const places = new Map(
    views.map((view, index): [string, LanePlace] => [
      view.task,
      { index, revoked: new Revocations([...(view.olderRevocations ?? []), ...view.entries]) },
    ]),
  )
  const collected = new PinsUnderWay(snapshot, places)
  const tenants = new Map<string, CompiledTenant>()
  for (const [tenant, entries] of Object.entries(snapshot.tenants)) {
    tenants.set(tenant, {
      firstSeq: entries[0]?.seq ?? 1,
      entries: entries.map(({ seq, at, state }) => ({ seq, at, ring: state.ring, row: collected.add(state.tasks) })),
      ats: entries.map(({ at }) => at),
    })
  }
  const pins = collected.compiled()
  const lanes = new Map<string, CompiledLane>()
  for (const view of views) {
    const place = places.get(view.task)
    assert(place !== undefined, `the lane of ${view.task} has its place`)
    lanes.set(view.task, compileLane(snapshot, view, { ...place, pins }))
  }
  return { snapshot, lanes, tenants }
}

interface LanePlace {
  readonly revoked: Revocations
  readonly index: number
}

function compileLane(
  snapshot: Snapshot,
  view: LaneView,
  { revoked, index, pins }: LanePlace & { readonly pins: CompiledPins },
): CompiledLane {
  const standingOf = (seq: number, composite: Digest | undefined): CompiledStanding | undefined => {
    if (composite === undefined) return undefined
    const standing = revoked.standing(seq, composite)
    return { composite: lookUp(snapshot, standing.composite), moved: standing.moved }
  }
  const entries = view.entries.map(
    (entry): CompiledEntry => ({
      seq: entry.seq,
      at: entry.at,
      entry,
      salt: hashedSalt(entry.salt),
      slices: compileSlices(entry),
      candidate: standingOf(entry.seq, entry.candidate),
      incumbent: standingOf(entry.seq, entry.incumbent),
      bindings: [bindingText(entry.seq, 0)],
    }),
  )
  return {
    task: view.task,
    index,
    pins,
    runsByDefault: view.supersedes === undefined,
    firstSeq: entries[0]?.seq ?? 1,
    entries,
    ats: entries.map(({ at }) => at),
    disabled: view.entries.at(-1)?.disabled === true,
    head: entries.at(-1),
  }
}

function compileSlices(entry: LaneEntry): CompiledSlice[] {
  return entry.exposure.map((slice, index) => ({
    index,
    basisPoints: slice.basisPoints,
    byTenant: slice.by === 'tenant',
    ring: slice.to !== 'rest' && 'ring' in slice.to ? slice.to.ring : undefined,
    tenants: slice.to !== 'rest' && 'tenants' in slice.to ? new Set(slice.to.tenants) : undefined,
  }))
}

/** Collects the pins of all tenants, then makes the table in the size they need. */
class PinsUnderWay {
  private readonly snapshot: Snapshot
  private readonly lanes: ReadonlyMap<string, LanePlace>
  private readonly list: CompiledPin[] = []
  private readonly places = new Map<string, number>()
  /** Row, lane and place of each pair, one after another. */
  private readonly pairs: number[] = []
  private rows = 0

  constructor(snapshot: Snapshot, lanes: ReadonlyMap<string, LanePlace>) {
    this.snapshot = snapshot
    this.lanes = lanes
  }

  /** The row of this state of a tenant; what it says on tasks that have no lane here is never asked for. */
  add(tasks: Readonly<Record<string, TenantTask>>): number {
    const row = this.rows
    let added = 0
    for (const [task, settings] of Object.entries(tasks)) {
      const lane = this.lanes.get(task)
      if (lane === undefined) continue
      const pin = compilePin(this.snapshot, settings, lane.revoked)
      this.pairs.push(row, lane.index, this.placeOf(pin))
      added++
    }
    if (added === 0) return -1
    this.rows++
    return row
  }

  compiled(): CompiledPins {
    const table = new PinTable(this.pairs.length / 3)
    for (let at = 0; at < this.pairs.length; at += 3) {
      table.set(this.pairs[at] as number, this.pairs[at + 1] as number, this.pairs[at + 2] as number)
    }
    return { table, list: this.list }
  }

  private placeOf(pin: CompiledPin): number {
    const name = `${pin.runs} ${pin.reason} ${pin.moved} ${pin.composite?.id}`
    const known = this.places.get(name)
    if (known !== undefined) return known
    this.places.set(name, this.list.length)
    return this.list.push(pin) - 1
  }
}

function compilePin(snapshot: Snapshot, settings: TenantTask, revoked: Revocations): CompiledPin {
  const override = settings.override?.pins[snapshot.environment]
  const pin = override ?? settings.optOut?.[snapshot.environment]
  if (pin === undefined) return { runs: settings.runs, reason: undefined, composite: undefined, moved: false }
  const standing = revoked.standing(pin.head, pin.composite)
  return {
    runs: settings.runs,
    reason: override === undefined ? 'opt_out' : 'override',
    composite: lookUp(snapshot, standing.composite),
    moved: standing.moved,
  }
}

const lookUp = (snapshot: Snapshot, id: Digest | undefined): ServedComposite | undefined =>
  id === undefined ? undefined : snapshot.composites[id]
