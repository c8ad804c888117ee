import { bindingText } from './binding'
import { type HashState, hashedSalt } from './bucket'
import type { ServedComposite } from './composite'
import { Revocations } from './revocation'
import type { LaneEntry, LaneView, Snapshot, TenantView } from './snapshot'
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
  readonly pins: ReadonlyMap<string, CompiledPin>
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

export function compileSnapshot(snapshot: Snapshot): CompiledSnapshot {
  const revocations = new Map<string, Revocations>()
  const lanes = new Map<string, CompiledLane>()
  for (const view of Object.values(snapshot.lanes)) {
    const revoked = new Revocations([...(view.olderRevocations ?? []), ...view.entries])
    revocations.set(view.task, revoked)
    lanes.set(view.task, compileLane(snapshot, view, revoked))
  }
  const tenants = new Map<string, CompiledTenant>()
  for (const [tenant, entries] of Object.entries(snapshot.tenants)) {
    tenants.set(tenant, {
      firstSeq: entries[0]?.seq ?? 1,
      entries: entries.map((entry) => compileTenantEntry(snapshot, entry, revocations)),
      ats: entries.map(({ at }) => at),
    })
  }
  return { snapshot, lanes, tenants }
}

function compileLane(snapshot: Snapshot, view: LaneView, revoked: Revocations): CompiledLane {
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

/** Most tenants say nothing on any task. */
const noPins: ReadonlyMap<string, CompiledPin> = new Map()

function compileTenantEntry(
  snapshot: Snapshot,
  entry: TenantView,
  revocations: ReadonlyMap<string, Revocations>,
): CompiledTenantEntry {
  const pins = Object.entries(entry.state.tasks).map(([task, settings]): [string, CompiledPin] => [
    task,
    compilePin(snapshot, settings, revocations.get(task)),
  ])
  return { seq: entry.seq, at: entry.at, ring: entry.state.ring, pins: pins.length === 0 ? noPins : new Map(pins) }
}

function compilePin(snapshot: Snapshot, settings: TenantTask, revoked: Revocations | undefined): CompiledPin {
  const override = settings.override?.pins[snapshot.environment]
  const pin = override ?? settings.optOut?.[snapshot.environment]
  if (pin === undefined) return { runs: settings.runs, reason: undefined, composite: undefined, moved: false }
  const standing = revoked?.standing(pin.head, pin.composite) ?? { composite: pin.composite, moved: false }
  return {
    runs: settings.runs,
    reason: override === undefined ? 'opt_out' : 'override',
    composite: lookUp(snapshot, standing.composite),
    moved: standing.moved,
  }
}

const lookUp = (snapshot: Snapshot, id: Digest | undefined): ServedComposite | undefined =>
  id === undefined ? undefined : snapshot.composites[id]
