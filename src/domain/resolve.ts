import { SluiceError } from '../errors'
import { parseBinding } from './binding'
import { assertId, assertIdLength, bucketAfter } from './bucket'
import { bindingTo, type CompiledEntry, type CompiledLane, type CompiledSlice } from './compiled-lane'
import { type CompiledSnapshot, type CompiledTenant, type CompiledTenantEntry, pinOf } from './compiled-snapshot'
import type { ServedComposite } from './composite'
import type { Arm } from './telemetry'

export interface ResolveRequest {
  readonly task: string
  readonly tenant: string
  readonly conversation: string
  /** What an earlier call returned for this conversation. */
  readonly binding?: string | undefined
  /** When the conversation began, ms since the epoch by the store's clock; used where no binding is kept. */
  readonly startedAt?: number | undefined
  /** Serve the head, flagged, where the binding is newer than this snapshot; otherwise `snapshot_behind`. */
  readonly allowBehind?: boolean | undefined
}

export type ServedReason = 'slice' | 'settled' | 'no_slice' | 'override' | 'opt_out' | 'revoked'

export interface Served {
  readonly composite: ServedComposite
  readonly arm: Arm
  readonly reason: ServedReason
  readonly binding: string
  readonly seq: number
  readonly tenantSeq: number
  /** Index of the matched slice where a bucket was compared, else -1. */
  readonly slice: number
  readonly behind?: true
}

export type SkipReason = 'not_deployed' | 'disabled' | 'before_first_entry' | 'conversation_expired' | 'not_subscribed'

export interface Skipped {
  readonly skip: SkipReason
}

const skipped: { readonly [reason in SkipReason]: Skipped } = {
  not_deployed: { skip: 'not_deployed' },
  disabled: { skip: 'disabled' },
  before_first_entry: { skip: 'before_first_entry' },
  conversation_expired: { skip: 'conversation_expired' },
  not_subscribed: { skip: 'not_subscribed' },
}

/**
 * Which composite serves a conversation: the five rules of docs/resolution.md, pure and without a clock.
 * Throws SluiceError: unknown_task, invalid_id, start_missing, malformed_binding, snapshot_behind.
 */
export function resolve(compiled: CompiledSnapshot, request: ResolveRequest): Served | Skipped {
  let answer: Served | Skipped
  try {
    answer = decide(compiled, request)
  } catch (error) {
    // Whatever else is wrong, an unfit id is told first.
    assertIds(request)
    throw error
  }
  // Where a bucket was compared, its hash has seen every letter of both.
  if ('skip' in answer || answer.slice < 0) assertIds(request)
  return answer
}

function assertIds({ tenant, conversation }: ResolveRequest): void {
  assertId('tenant', tenant)
  assertId('conversation', conversation)
}

function decide(compiled: CompiledSnapshot, request: ResolveRequest): Served | Skipped {
  assertIdLength('tenant', request.tenant)
  assertIdLength('conversation', request.conversation)
  const lane = compiled.lanes.get(request.task)
  if (lane === undefined) {
    throw new SluiceError('unknown_task', `No task ${request.task} in ${compiled.environment}.`, {
      task: request.task,
    })
  }
  if (lane.head === undefined) return skipped.not_deployed
  if (lane.disabled) return skipped.disabled
  const tenant = compiled.tenants.get(request.tenant)
  return request.binding === undefined
    ? resolveStarted(lane, tenant, request)
    : resolveBound(lane, tenant, request, request.binding)
}

function resolveStarted(
  lane: CompiledLane,
  tenant: CompiledTenant | undefined,
  request: ResolveRequest,
): Served | Skipped {
  const { startedAt } = request
  if (startedAt === undefined || !Number.isFinite(startedAt)) {
    throw new SluiceError('start_missing', 'Neither a binding nor a start time was given for the conversation.')
  }
  const entry = lane.entries[newestAt(lane.ats, startedAt)]
  if (entry === undefined) return lane.firstSeq > 1 ? skipped.conversation_expired : skipped.before_first_entry
  const state = tenant?.entries[newestAt(tenant.ats, startedAt)]
  if (tenant !== undefined && state === undefined && tenant.firstSeq > 1) return skipped.conversation_expired
  return serve(lane, entry, state, request)
}

function resolveBound(
  lane: CompiledLane,
  tenant: CompiledTenant | undefined,
  request: ResolveRequest,
  text: string,
): Served | Skipped {
  const { seq, tenantSeq } = parseBinding(text)
  const headSeq = lane.firstSeq + lane.entries.length - 1
  const tenantHead = tenant === undefined ? 0 : tenant.firstSeq + tenant.entries.length - 1
  const behind = seq > headSeq || tenantSeq > tenantHead
  if (behind && !request.allowBehind) {
    throw new SluiceError('snapshot_behind', 'The binding is newer than this snapshot.', {
      seq,
      tenantSeq,
      headSeq,
      tenantHead,
    })
  }
  if (seq < lane.firstSeq) return skipped.conversation_expired
  if (tenantSeq > 0 && tenant !== undefined && tenantSeq < tenant.firstSeq) return skipped.conversation_expired
  const entry = lane.entries[Math.min(seq, headSeq) - lane.firstSeq]
  if (entry === undefined) return skipped.conversation_expired
  const state = tenantSeq === 0 ? undefined : tenant?.entries[Math.min(tenantSeq, tenantHead) - tenant.firstSeq]
  const served = serve(lane, entry, state, request)
  return !behind || 'skip' in served ? served : { ...served, binding: text, behind: true }
}

/** Index of the last of `ats` (strictly increasing) that is not after `moment`; -1 where all are. */
function newestAt(ats: readonly number[], moment: number): number {
  let low = 0
  let high = ats.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ats[middle] as number) <= moment) low = middle + 1
    else high = middle
  }
  return low - 1
}

function serve(
  lane: CompiledLane,
  entry: CompiledEntry,
  tenant: CompiledTenantEntry | undefined,
  request: ResolveRequest,
): Served | Skipped {
  const pin = tenant === undefined ? undefined : pinOf(lane, tenant)
  if (!(pin?.runs ?? lane.runsByDefault)) return skipped.not_subscribed
  const { seq } = entry
  const tenantSeq = tenant?.seq ?? 0
  const binding = request.binding ?? bindingTo(entry, tenantSeq)
  if (pin?.reason !== undefined) {
    if (pin.composite === undefined) return skipped.not_deployed
    const reason = pin.moved ? 'revoked' : pin.reason
    return { composite: pin.composite, arm: 'none', reason, binding, seq, tenantSeq, slice: -1 }
  }
  const slice =
    entry.candidate === undefined ? undefined : matching(entry.slices, request.tenant, tenant?.ring ?? 'general')
  const chosen = slice === undefined ? undefined : bucketIn(entry, slice, request)
  const toCandidate = slice !== undefined && chosen !== undefined && chosen < slice.basisPoints
  const standing = toCandidate ? entry.candidate : entry.incumbent
  if (standing?.composite === undefined) return skipped.not_deployed
  if (standing.moved)
    return { composite: standing.composite, arm: 'none', reason: 'revoked', binding, seq, tenantSeq, slice: -1 }
  if (slice === undefined) {
    const reason = entry.candidate === undefined ? 'settled' : 'no_slice'
    return { composite: standing.composite, arm: 'none', reason, binding, seq, tenantSeq, slice: -1 }
  }
  const arm = toCandidate ? 'candidate' : 'incumbent'
  return { composite: standing.composite, arm, reason: 'slice', binding, seq, tenantSeq, slice: slice.index }
}

function bucketIn(
  { salt }: CompiledEntry,
  { byTenant }: CompiledSlice,
  { tenant, conversation }: ResolveRequest,
): number {
  if (byTenant) assertId('conversation', conversation)
  return bucketAfter(salt, tenant, byTenant ? undefined : conversation)
}

function matching(slices: readonly CompiledSlice[], tenant: string, ring: string): CompiledSlice | undefined {
  for (const slice of slices) {
    if (slice.ring === undefined ? (slice.tenants?.has(tenant) ?? true) : slice.ring === ring) return slice
  }
  return undefined
}
