import type { ResolveRequest } from '../../src/domain/resolve'
import type { LaneView, Snapshot, TenantView } from '../../src/domain/snapshot'
import type { TenantTask } from '../../src/domain/tenant'
import type { Digest } from '../../src/domain/version'

/** An answer as plain data: what serves, by id; why nothing does; or the code of the refusal. */
export type PlainAnswer =
  | {
      readonly composite: Digest
      readonly arm: string
      readonly reason: string
      readonly binding: string
      readonly seq: number
      readonly tenantSeq: number
      readonly slice: number
      readonly behind?: true
    }
  | { readonly skip: string }
  | { readonly error: string }

const rotated = (word: bigint, by: bigint): bigint => BigInt.asUintN(32, (word << by) | (word >> (32n - by)))
const scrambled = (word: bigint): bigint =>
  BigInt.asUintN(32, rotated(BigInt.asUintN(32, word * 0xcc9e2d51n), 15n) * 0x1b873593n)
const littleEndian = (bytes: Buffer): bigint => bytes.reduceRight((word, byte) => (word << 8n) | BigInt(byte), 0n)

/** MurmurHash3_x86_32, seed 0, written from its definition on whole bytes. */
export function plainMurmur3(text: string): number {
  const bytes = Buffer.from(text, 'utf8')
  let hash = 0n
  for (let at = 0; at < bytes.length; at += 4) {
    const block = bytes.subarray(at, at + 4)
    hash ^= scrambled(littleEndian(block))
    if (block.length === 4) hash = BigInt.asUintN(32, rotated(hash, 13n) * 5n + 0xe6546b64n)
  }
  hash ^= BigInt(bytes.length)
  hash = BigInt.asUintN(32, (hash ^ (hash >> 16n)) * 0x85ebca6bn)
  hash = BigInt.asUintN(32, (hash ^ (hash >> 13n)) * 0xc2b2ae35n)
  return Number(hash ^ (hash >> 16n))
}

export function plainBucket(salt: string, tenant: string, conversation?: string): number {
  const parts = conversation === undefined ? [salt, tenant] : [salt, tenant, conversation]
  return Number((BigInt(plainMurmur3(parts.join('\0'))) * 10_000n) >> 32n)
}

export const isPlainId = (id: unknown): boolean =>
  typeof id === 'string' && id.length >= 1 && id.length <= 256 && !id.includes('\0') && !/\p{Surrogate}/u.test(id)

/** The five rules of docs/resolution.md read word by word on the raw snapshot: slow, and apart from the product. */
export function plainResolve(snapshot: Snapshot, request: ResolveRequest): PlainAnswer {
  if (!isPlainId(request.tenant) || !isPlainId(request.conversation)) return { error: 'invalid_id' }
  const lane = Object.hasOwn(snapshot.lanes, request.task) ? snapshot.lanes[request.task] : undefined
  if (lane === undefined) return { error: 'unknown_task' }
  const head = lane.entries.at(-1)
  if (head === undefined) return { skip: 'not_deployed' }
  if (head.disabled === true) return { skip: 'disabled' }
  const history = Object.hasOwn(snapshot.tenants, request.tenant) ? (snapshot.tenants[request.tenant] ?? []) : []
  return request.binding === undefined
    ? startedAnswer(snapshot, lane, history, request)
    : boundAnswer(snapshot, lane, history, request)
}

function startedAnswer(
  snapshot: Snapshot,
  lane: LaneView,
  history: readonly TenantView[],
  request: ResolveRequest,
): PlainAnswer {
  const { startedAt } = request
  if (startedAt === undefined || !Number.isFinite(startedAt)) return { error: 'start_missing' }
  const entry = lane.entries.filter(({ at }) => at <= startedAt).at(-1)
  if (entry === undefined) return { skip: lane.entries[0]?.seq === 1 ? 'before_first_entry' : 'conversation_expired' }
  const state = history.filter(({ at }) => at <= startedAt).at(-1)
  if (state === undefined && (history[0]?.seq ?? 1) > 1) return { skip: 'conversation_expired' }
  return chosen({ snapshot, lane, request, state }, entry)
}

function boundAnswer(
  snapshot: Snapshot,
  lane: LaneView,
  history: readonly TenantView[],
  request: ResolveRequest,
): PlainAnswer {
  const found = /^b1\.([1-9][0-9]*)\.(0|[1-9][0-9]*)$/.exec(String(request.binding))
  const [seq, tenantSeq] = [Number(found?.[1]), Number(found?.[2])]
  if (typeof request.binding !== 'string' || !Number.isSafeInteger(seq) || !Number.isSafeInteger(tenantSeq)) {
    return { error: 'malformed_binding' }
  }
  const [head, tenantHead] = [lane.entries.at(-1)?.seq ?? 0, history.at(-1)?.seq ?? 0]
  const behind = seq > head || tenantSeq > tenantHead
  if (behind && request.allowBehind !== true) return { error: 'snapshot_behind' }
  const entry = lane.entries.find((row) => row.seq === Math.min(seq, head))
  const stateSeq = Math.min(tenantSeq, tenantHead)
  const state = history.find((row) => row.seq === stateSeq)
  if (entry === undefined || (stateSeq > 0 && state === undefined)) return { skip: 'conversation_expired' }
  const answer = chosen({ snapshot, lane, request, state }, entry)
  return behind && 'composite' in answer ? { ...answer, behind: true } : answer
}

interface Scene {
  readonly snapshot: Snapshot
  readonly lane: LaneView
  readonly request: ResolveRequest
  readonly state: TenantView | undefined
}

type Entry = LaneView['entries'][number]

/** Rules 3 and 4, handed on to rule 5. */
function chosen(scene: Scene, entry: Entry): PlainAnswer {
  const { snapshot, lane, request, state } = scene
  const tasks = state?.state.tasks ?? {}
  const settings: TenantTask = (Object.hasOwn(tasks, lane.task) ? tasks[lane.task] : undefined) ?? {}
  if (!(settings.runs ?? lane.supersedes === undefined)) return { skip: 'not_subscribed' }
  const override = settings.override?.pins[snapshot.environment]
  const pin = override ?? settings.optOut?.[snapshot.environment]
  if (pin !== undefined) {
    const reason = override === undefined ? 'opt_out' : 'override'
    return revoked(scene, entry, { from: pin.head, composite: pin.composite, arm: 'none', reason, slice: -1 })
  }
  const rest = { from: entry.seq, composite: entry.incumbent, arm: 'none', slice: -1 }
  if (entry.candidate === undefined) return revoked(scene, entry, { ...rest, reason: 'settled' })
  const ring = state?.state.ring ?? 'general'
  const slice = entry.exposure.findIndex(
    ({ to }) => to === 'rest' || ('ring' in to ? to.ring === ring : to.tenants.includes(request.tenant)),
  )
  const exposed = entry.exposure[slice]
  if (exposed === undefined) return revoked(scene, entry, { ...rest, reason: 'no_slice' })
  const bucket = plainBucket(entry.salt, request.tenant, exposed.by === 'tenant' ? undefined : request.conversation)
  const arm = bucket < exposed.basisPoints ? 'candidate' : 'incumbent'
  return revoked(scene, entry, { from: entry.seq, composite: entry[arm], arm, reason: 'slice', slice })
}

interface Choice {
  readonly from: number
  readonly composite: Digest | undefined
  readonly arm: string
  readonly reason: string
  readonly slice: number
}

/** Rule 5: entry after entry, whatever it revokes gives way to its incumbent. */
function revoked({ snapshot, lane, request, state }: Scene, entry: Entry, choice: Choice): PlainAnswer {
  let { composite, arm, reason, slice } = choice
  for (const later of [...(lane.olderRevocations ?? []), ...lane.entries]) {
    if (later.seq <= choice.from || composite === undefined || !later.revokes?.includes(composite)) continue
    composite = later.incumbent
    arm = 'none'
    reason = 'revoked'
    slice = -1
  }
  if (composite === undefined || !Object.hasOwn(snapshot.composites, composite)) return { skip: 'not_deployed' }
  const tenantSeq = state?.seq ?? 0
  const binding = request.binding ?? `b1.${entry.seq}.${tenantSeq}`
  return { composite, arm, reason, binding, seq: entry.seq, tenantSeq, slice }
}
