import { SluiceError } from '../errors'
import { type Allocation, type EntryDraft, laneId } from './allocation'
import { assertId } from './bucket'
import type { Digest } from './version'

export interface Hold {
  readonly by: string
  readonly at: number
  readonly reason: string
}

export interface Veto extends Hold {
  readonly composite: Digest
}

/** What a lane's ledger folds to, with its holds and vetoes. */
export interface LaneState {
  readonly environment: string
  readonly task: string
  readonly headSeq: number
  readonly headAt: number
  readonly headHash: string
  /** The newest entry that is not a mere disable / enable: what a forward step expects to find. */
  readonly baseSeq: number
  readonly baseCause?: EntryDraft['cause']
  readonly incumbent?: Digest
  readonly candidate?: Digest
  /** The release that wrote the base entry, until another cause writes one. */
  readonly releaseId?: string
  readonly disabled: boolean
  /** Incumbents at the end of releases, the newest last. */
  readonly settled: readonly Digest[]
  readonly hold?: Hold
  readonly vetoes: readonly Veto[]
}

export function emptyLane(environment: string, task: string): LaneState {
  return {
    environment,
    task,
    headSeq: 0,
    headAt: 0,
    headHash: '',
    baseSeq: 0,
    disabled: false,
    settled: [],
    vetoes: [],
  }
}

/** Of an entry that repeats the one before but for the flag. */
export const isFlag = (cause: EntryDraft['cause']): boolean => cause === 'disable' || cause === 'enable'

/** The lane after one more entry; entries come in seq order. */
export function foldEntry(lane: LaneState, entry: Allocation): LaneState {
  const head = { headSeq: entry.seq, headAt: entry.at, headHash: entry.hash, disabled: entry.disabled === true }
  if (isFlag(entry.cause)) return { ...lane, ...head }
  const { incumbent: _i, candidate: _c, releaseId: _r, ...kept } = lane
  return {
    ...kept,
    ...head,
    baseSeq: entry.seq,
    baseCause: entry.cause,
    ...(entry.incumbent === undefined ? {} : { incumbent: entry.incumbent }),
    ...(entry.candidate === undefined ? {} : { candidate: entry.candidate }),
    ...(entry.releaseId === undefined || entry.cause === 'rollback' ? {} : { releaseId: entry.releaseId }),
    settled: settledAfter(lane.settled, entry),
  }
}

/**
 * A settle pushes; a rollback pops down to its target, which replaces the top where it left the stack, and pops all where
 * it has none. So the top is always the incumbent.
 */
function settledAfter(stack: readonly Digest[], entry: Allocation): readonly Digest[] {
  const { incumbent } = entry
  if (entry.cause === 'settle' && incumbent !== undefined)
    return stack.at(-1) === incumbent ? stack : [...stack, incumbent]
  if (entry.cause !== 'rollback') return stack
  if (incumbent === undefined) return []
  const place = stack.lastIndexOf(incumbent)
  return place >= 0 ? stack.slice(0, place + 1) : [...stack.slice(0, -1), incumbent]
}

export const isVetoed = (lane: LaneState, composite: Digest): boolean =>
  lane.vetoes.some((veto) => veto.composite === composite)

/** The next settled composite below the top without a veto; rolling back twice never ping-pongs. */
export function previousSettled(lane: LaneState): Digest | undefined {
  return lane.settled.slice(0, -1).findLast((composite) => composite !== lane.incumbent && !isVetoed(lane, composite))
}

/** What the head can serve: what a rollback revokes, but for its target. */
export function servedByHead(lane: LaneState): readonly Digest[] {
  return [lane.incumbent, lane.candidate].filter((composite) => composite !== undefined)
}

/** Whether the base entry belongs to this release, so that withdrawing it is this release's business. */
export const heldByRelease = (lane: LaneState, releaseId: string): boolean => lane.releaseId === releaseId

/**
 * The incumbent to go back to when a release is withdrawn: before its settle the incumbent that stayed beside the
 * candidate, after it the settled composite below. Absent: the release was the task's first.
 */
export function restoreTarget(lane: LaneState): Digest | undefined {
  return lane.baseCause === 'settle' ? previousSettled(lane) : lane.incumbent
}

/** The shape rules of a forward entry, whoever asks for it; `invalid_entry` names the broken one. */
export function assertEntry(draft: EntryDraft): void {
  assertId('salt', draft.salt)
  const fault = entryFault(draft)
  if (fault !== undefined) throw new SluiceError('invalid_entry', `The allocation entry is refused: ${fault}.`)
}

const maxSlices = 20
const maxSliceTenants = 10_000

function entryFault(draft: EntryDraft): string | undefined {
  if (draft.cause !== 'step' && draft.cause !== 'settle') return `a ${draft.cause} is no way forward`
  if (draft.revokes !== undefined) return 'only a rollback revokes'
  if ('disabled' in draft) return 'only disable and enable change the flag'
  if (draft.exposure.length > maxSlices) return `more than ${maxSlices} slices`
  for (const { to, basisPoints } of draft.exposure) {
    if (!Number.isInteger(basisPoints) || basisPoints < 0 || basisPoints > 10_000) {
      return `a share of ${basisPoints} basis points, outside 0..10000`
    }
    if (to !== 'rest' && 'tenants' in to && to.tenants.length > maxSliceTenants) {
      return `more than ${maxSliceTenants} tenants named in one slice`
    }
  }
  if (draft.cause === 'step' && draft.candidate === undefined) return 'a step without a candidate'
  if (draft.cause === 'step' && draft.exposure.length === 0) return 'a step that exposes nobody'
  if (draft.cause === 'settle' && (draft.incumbent === undefined || draft.candidate !== undefined)) {
    return 'a settle names one incumbent and no candidate'
  }
  if (draft.candidate !== undefined && draft.candidate === draft.incumbent)
    return 'candidate and incumbent are the same'
  return undefined
}

/** `production/csat-scoring`, for messages. */
export const laneName = (lane: LaneState): string => laneId(lane.environment, lane.task)
