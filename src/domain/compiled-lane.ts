import { bindingText } from './binding'
import { type HashState, hashedSalt } from './bucket'
import type { CompiledPins } from './compiled-pins'
import type { CompiledStanding, LookUp, Revocations } from './revocation'
import type { LaneEntry, LaneView } from './snapshot'
import type { Digest } from './version'

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
  readonly view: LaneView
  readonly revoked: Revocations
}

export const entryAt = (lane: CompiledLane | undefined, seq: number): CompiledEntry | undefined =>
  lane?.entries[seq - lane.firstSeq]

const maxKeptBindings = 32

/** The text of a binding to this entry. It is made once and then shared: requests of one tenant want the same. */
export function bindingTo({ seq, bindings }: CompiledEntry, tenantSeq: number): string {
  const known = bindings[tenantSeq]
  if (known !== undefined) return known
  const text = bindingText(seq, tenantSeq)
  if (tenantSeq < maxKeptBindings) bindings[tenantSeq] = text
  return text
}

export function compileLane(
  view: LaneView,
  { revoked, index, pins }: Pick<CompiledLane, 'revoked' | 'index' | 'pins'>,
  lookUp: LookUp,
): CompiledLane {
  const standingOf = (seq: number, composite: Digest | undefined): CompiledStanding | undefined => {
    if (composite === undefined) return undefined
    const standing = revoked.standing(seq, composite)
    return { composite: lookUp(standing.composite), moved: standing.moved }
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
    view,
    revoked,
  }
}

/** Every composite that an entry can lead to. */
export function compositesOf({ entries, olderRevocations = [] }: LaneView): readonly Digest[] {
  return [...entries, ...olderRevocations].flatMap((entry) => {
    const { incumbent, candidate }: Pick<LaneEntry, 'incumbent' | 'candidate'> = entry
    return [incumbent, candidate].filter((id) => id !== undefined)
  })
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
