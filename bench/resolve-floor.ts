import type { ServedComposite } from '../src/domain/composite'
import type { ResolveRequest } from '../src/domain/resolve'
import { Revocations } from '../src/domain/revocation'
import type { LaneView, Snapshot, TenantView } from '../src/domain/snapshot'

/** What was decided and nothing for anybody's convenience: no binding text, no reason. */
export interface FloorDecision {
  readonly composite: ServedComposite
  /** 0 none, 1 incumbent, 2 candidate. */
  readonly arm: number
  readonly seq: number
  readonly tenantSeq: number
  readonly slice: number
}

/** The hash of an allocation's salt and its NUL, made once. */
interface FloorHash {
  readonly hash: number
  readonly word: number
  readonly shift: number
  readonly size: number
}

interface FloorEntry {
  readonly seq: number
  readonly candidate: ServedComposite | undefined
  readonly incumbent: ServedComposite | undefined
  readonly candidateMoved: boolean
  readonly incumbentMoved: boolean
  readonly salt: FloorHash
  readonly slices: readonly { readonly ring: string | undefined; readonly basisPoints: number }[]
}

interface FloorLane {
  readonly index: number
  readonly ats: Float64Array
  readonly entries: readonly FloorEntry[]
}

interface FloorTenant {
  readonly ats: Float64Array
  readonly states: readonly {
    readonly seq: number
    readonly ring: string
    readonly pins: ReadonlyMap<number, ServedComposite>
  }[]
}

/** The snapshot in the shape that suits this one loop best. */
export interface Floor {
  readonly lanes: ReadonlyMap<string, FloorLane>
  readonly tenants: ReadonlyMap<string, FloorTenant>
}

export function floorOf(snapshot: Snapshot): Floor {
  const indexes = new Map(Object.keys(snapshot.lanes).map((task, index) => [task, index]))
  const lanes = Object.values(snapshot.lanes).map((lane): [string, FloorLane] => [
    lane.task,
    laneOf(snapshot, lane, indexes),
  ])
  const tenants = Object.entries(snapshot.tenants).map(([id, history]): [string, FloorTenant] => [
    id,
    tenantOf(snapshot, history, indexes),
  ])
  return { lanes: new Map(lanes), tenants: new Map(tenants) }
}

function laneOf(snapshot: Snapshot, { task, entries }: LaneView, indexes: ReadonlyMap<string, number>): FloorLane {
  const revocations = new Revocations(entries)
  const served = (seq: number, id: LaneView['entries'][number]['incumbent']) => {
    const { composite, moved } = revocations.standing(seq, id)
    return { composite: composite === undefined ? undefined : snapshot.composites[composite], moved }
  }
  return {
    index: indexes.get(task) ?? -1,
    ats: Float64Array.from(entries, ({ at }) => at),
    entries: entries.map(({ seq, incumbent, candidate, salt, exposure }): FloorEntry => {
      const [one, other] = [served(seq, candidate), served(seq, incumbent)]
      return {
        seq,
        candidate: one.composite,
        incumbent: other.composite,
        candidateMoved: one.moved,
        incumbentMoved: other.moved,
        salt: floorSalt(salt),
        slices: exposure.map(({ to, basisPoints }) => ({
          ring: to !== 'rest' && 'ring' in to ? to.ring : undefined,
          basisPoints,
        })),
      }
    }),
  }
}

function tenantOf(
  snapshot: Snapshot,
  history: readonly TenantView[],
  indexes: ReadonlyMap<string, number>,
): FloorTenant {
  return {
    ats: Float64Array.from(history, ({ at }) => at),
    states: history.map(({ seq, state }) => {
      const pins = new Map<number, ServedComposite>()
      for (const [task, { override }] of Object.entries(state.tasks)) {
        const pinned = override?.pins[snapshot.environment]
        const composite = pinned === undefined ? undefined : snapshot.composites[pinned.composite]
        if (composite !== undefined) pins.set(indexes.get(task) ?? -1, composite)
      }
      return { seq, ring: state.ring, pins }
    }),
  }
}

/**
 * The least that gives the same decision: the newest entry at a time or the bound one, tenant state, slices, bucket,
 * revocation looked up. It believes its input: no id is checked, no binding refused, no lane disabled or expired.
 */
export function floorResolve(floor: Floor, request: ResolveRequest): FloorDecision | undefined {
  const lane = floor.lanes.get(request.task)
  if (lane === undefined) return undefined
  const known = floor.tenants.get(request.tenant)
  const { binding } = request
  let index: number
  let tenantIndex = -1
  if (binding === undefined) {
    const at = request.startedAt as number
    index = newest(lane.ats, at)
    if (known !== undefined) tenantIndex = newest(known.ats, at)
  } else {
    const dot = binding.indexOf('.', 3)
    index = digits(binding, 3, dot) - 1
    if (known !== undefined) tenantIndex = digits(binding, dot + 1, binding.length) - 1
  }
  const entry = lane.entries[index]
  if (entry === undefined) return undefined
  const state = known?.states[tenantIndex]
  const tenantSeq = state === undefined ? 0 : state.seq
  const pin = state?.pins.get(lane.index)
  const { seq } = entry
  if (pin !== undefined) return { composite: pin, arm: 0, seq, tenantSeq, slice: -1 }
  let arm = 0
  let slice = -1
  if (entry.candidate !== undefined) {
    const ring = state === undefined ? 'general' : state.ring
    const { slices } = entry
    for (let one = 0; one < slices.length && slice < 0; one++) {
      const wanted = slices[one]?.ring
      if (wanted === undefined || wanted === ring) slice = one
    }
    const share = entry.slices[slice]?.basisPoints
    if (share !== undefined) arm = floorBucket(entry.salt, request.tenant, request.conversation) < share ? 2 : 1
  }
  const moved = arm === 2 ? entry.candidateMoved : entry.incumbentMoved
  const composite = arm === 2 ? entry.candidate : entry.incumbent
  if (composite === undefined) return undefined
  return moved ? { composite, arm: 0, seq, tenantSeq, slice: -1 } : { composite, arm, seq, tenantSeq, slice }
}

function newest(ats: Float64Array, moment: number): number {
  let low = 0
  let high = ats.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ats[middle] as number) <= moment) low = middle + 1
    else high = middle
  }
  return low - 1
}

function digits(text: string, from: number, to: number): number {
  let value = 0
  for (let index = from; index < to; index++) value = value * 10 + text.charCodeAt(index) - 48
  return value
}

function floorSalt(salt: string): FloorHash {
  let hash = 0
  let word = 0
  for (let index = 0; index <= salt.length; index++) {
    if (index < salt.length) word |= salt.charCodeAt(index) << ((index & 3) * 8)
    if ((index & 3) !== 3) continue
    hash = absorbed(hash, word)
    word = 0
  }
  return { hash, word, shift: ((salt.length + 1) & 3) * 8, size: salt.length + 1 }
}

/** MurmurHash3_x86_32 of ASCII parts with NUL between them: four units at a step, no object, nothing but ASCII. */
function floorBucket(salt: FloorHash, tenant: string, conversation: string): number {
  let { hash, word, shift } = salt
  for (let part = 1; part < 3; part++) {
    const text = part === 1 ? tenant : conversation
    const size = text.length
    let index = 0
    for (; index + 4 <= size; index += 4) {
      const low = text.charCodeAt(index) | (text.charCodeAt(index + 1) << 8)
      const four = low | (text.charCodeAt(index + 2) << 16) | (text.charCodeAt(index + 3) << 24)
      hash = absorbed(hash, word | (four << shift))
      word = shift === 0 ? 0 : four >>> (32 - shift)
    }
    for (const end = part === 2 ? size : size + 1; index < end; index++) {
      if (index < size) word |= text.charCodeAt(index) << shift
      shift = (shift + 8) & 31
      if (shift !== 0) continue
      hash = absorbed(hash, word)
      word = 0
    }
  }
  hash ^= scrambled(word) ^ (salt.size + tenant.length + conversation.length + 1)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return Math.floor((((hash ^ (hash >>> 16)) >>> 0) * 10_000) / 0x1_0000_0000)
}

function absorbed(hash: number, word: number): number {
  const mixed = hash ^ scrambled(word)
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0
}

function scrambled(word: number): number {
  const mixed = Math.imul(word, 0xcc9e2d51)
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593)
}
