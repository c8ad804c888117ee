import { assertNever, type ErrorCode } from '../errors'
import type { ArmSummary } from './guardrail'
import type { Stage } from './rollout'
import { cutText, maxReasonLength } from './text'

/** The states of a release as people see them; `paused` and `awaiting_approval` wait for a person. */
export type ReleasePhase =
  | 'running'
  | 'awaiting_approval'
  | 'paused'
  | 'rolling_back'
  | 'done'
  | 'done_with_failed_deliveries'
  | 'refused'
  | 'blocked'
  | 'rejected'
  | 'rolled_back'
  | 'superseded'

export const closedPhases = [
  'done',
  'done_with_failed_deliveries',
  'refused',
  'blocked',
  'rejected',
  'rolled_back',
  'superseded',
] as const satisfies readonly ReleasePhase[]

export type ClosedPhase = (typeof closedPhases)[number]

export const isClosed = (phase: ReleasePhase): phase is ClosedPhase =>
  (closedPhases as readonly ReleasePhase[]).includes(phase)

export interface Approval {
  readonly by: string
  readonly plan: string
  /** False: a signal's unauthenticated claim. */
  readonly authenticated: boolean
  readonly at: number
}

/** What happened to a release, for people; bounded, the oldest go first. */
export interface ReleaseNote {
  readonly at: number
  readonly text: string
}

/** Who asked for a pause, and why. */
export interface Pause {
  readonly by: string
  readonly reason: string
}

/** The whole state of a release: one JSON-safe value, replaced, never changed. */
export interface ReleaseState {
  readonly releaseId: string
  readonly task: string
  readonly stage: Stage
  readonly phase: ReleasePhase
  readonly author: string
  readonly planDigest?: string
  readonly candidate?: string
  readonly approvals: readonly Approval[]
  /** Approvals still to be given before the release goes on. */
  readonly approvalsWanted: number
  readonly approvalRules: { readonly notTheAuthor: boolean; readonly trustSignals: boolean }
  /** Name of the step in force, and its place among the steps. */
  readonly step?: { readonly name: string; readonly index: number; readonly of: number }
  /** `next`: what a guardrail paused for meanwhile; it holds once the first is resumed. */
  readonly paused?: Pause & { readonly next?: Pause }
  /** Why the release goes or went back; set once, by whoever came first. */
  readonly ending?: { readonly kind: 'rollback' | 'reject' | 'supersede'; readonly by: string; readonly reason: string }
  /** Whether the step in force is baking; only then there is time that `advance` can skip. */
  readonly baking: boolean
  /** The rest of this bake is to be skipped. */
  readonly advanceAsked: boolean
  readonly arms?: { readonly candidate: ArmSummary; readonly incumbent: ArmSummary }
  readonly verdicts: readonly string[]
  readonly waitingFor: readonly string[]
  readonly notes: readonly ReleaseNote[]
}

export type CommandName = 'pause' | 'resume' | 'approve' | 'reject' | 'advance' | 'rollback'
export const commandNames = [
  'pause',
  'resume',
  'approve',
  'reject',
  'advance',
  'rollback',
] as const satisfies readonly CommandName[]

export interface Command {
  readonly name: CommandName
  readonly by: string
  readonly reason: string
  /** The plan digest that `approve` approves. */
  readonly plan?: string
  /** True where the caller was authenticated (API), false for a bare signal's claim. */
  readonly authenticated: boolean
  readonly at: number
}

export type CommandResult =
  | { readonly accepted: true; readonly state: ReleaseState }
  | { readonly accepted: false; readonly code: ErrorCode; readonly message: string }

const maxNotes = 50

export function noted(state: ReleaseState, at: number, text: string): ReleaseState {
  return { ...state, notes: [...state.notes.slice(-(maxNotes - 1)), { at, text }] }
}

const refuse = (code: ErrorCode, message: string): CommandResult => ({ accepted: false, code, message })
const accept = (state: ReleaseState): CommandResult => ({ accepted: true, state })

/**
 * What a command does to a release, for signals and updates alike: the new state, or a refusal that says why and what
 * to do. `pause`, `reject` and `rollback` make things safer, so a claim is enough for them; the others act on a claim
 * only under the policy's `trustSignals`.
 */
export function command(state: ReleaseState, order: Command): CommandResult {
  if (isClosed(state.phase))
    return refuse('release_closed', `The release is ${state.phase}; it takes no more commands.`)
  if (order.reason.trim() === '') return refuse('reason_missing', `${order.name} needs a reason.`)
  if (state.ending !== undefined) {
    return refuse('command_refused', `The release is going back already (${state.ending.by}: ${state.ending.reason}).`)
  }
  if (needsTrust(order.name) && !order.authenticated && !state.approvalRules.trustSignals) {
    return refuse(
      'command_refused',
      `This policy does not take ${order.name} by signal. Use \`sluice release ${order.name}\`.`,
    )
  }
  switch (order.name) {
    case 'pause':
      return pause(state, order)
    case 'resume':
      return resume(state, order)
    case 'approve':
      return approve(state, order)
    case 'advance':
      return advance(state, order)
    case 'reject':
      return state.approvalsWanted > 0
        ? accept(ended(state, 'reject', order))
        : refuse(
            'command_refused',
            'Nothing waits for approval, so nothing can be rejected. `rollback` withdraws the release.',
          )
    case 'rollback':
      return accept(ended(state, 'rollback', order))
    default:
      return assertNever(order.name)
  }
}

const needsTrust = (name: CommandName): boolean => name === 'approve' || name === 'resume' || name === 'advance'

/**
 * A guardrail tells of each cause once, so one that fires while a pause for another reason holds comes after that: whoever resumes that
 * one need not have read it.
 */
function pause(state: ReleaseState, order: Command): CommandResult {
  const { by, reason } = order
  const before = state.paused
  const isNext = before !== undefined && by === 'guardrail' && ![before, before.next].some((one) => tells(one, reason))
  if (before !== undefined && !isNext)
    return refuse('command_refused', `The release is paused already (${before.reason}).`)
  const told = before?.next === undefined ? reason : `${reason}; ${before.next.reason}`
  const next = { by, reason: cutText(told, maxReasonLength) }
  const paused = before === undefined ? { by, reason } : { ...before, next }
  return accept(noted(withPhase({ ...state, paused }), order.at, `paused by ${by}: ${reason}`))
}

const tells = (pause: Pause | undefined, reason: string): boolean => pause?.reason.includes(reason) === true

function resume(state: ReleaseState, order: Command): CommandResult {
  if (state.paused === undefined) return refuse('command_refused', 'The release is not paused.')
  const { paused, ...rest } = state
  const after = paused.next === undefined ? rest : { ...rest, paused: paused.next }
  const still = paused.next === undefined ? '' : `; it stays paused by ${paused.next.by}: ${paused.next.reason}`
  return accept(noted(withPhase(after), order.at, `resumed by ${order.by}: ${order.reason}${still}`))
}

function approve(state: ReleaseState, order: Command): CommandResult {
  if (state.approvalsWanted === 0) return refuse('command_refused', 'The release waits for no approval.')
  if (order.plan === undefined || order.plan !== state.planDigest) {
    return refuse(
      'plan_mismatch',
      `The plan to approve is ${state.planDigest ?? 'not made yet'}, not ${order.plan ?? 'nothing'}.`,
    )
  }
  if (state.approvals.some((given) => given.by === order.by))
    return refuse('command_refused', `${order.by} approved already.`)
  const { notTheAuthor } = state.approvalRules
  if (notTheAuthor && order.by === state.author)
    return refuse('command_refused', 'The author may not approve the own release.')
  if (!order.authenticated && (notTheAuthor || state.approvals.length + state.approvalsWanted > 1)) {
    return refuse(
      'command_refused',
      'A signal is a claim; it cannot satisfy a quorum or "not the author". Approve with `sluice release approve`.',
    )
  }
  const { by, authenticated, at } = order
  const approvals = [...state.approvals, { by, plan: order.plan, authenticated, at }]
  const next = withPhase({ ...state, approvals, approvalsWanted: state.approvalsWanted - 1 })
  return accept(noted(next, at, `approved by ${by}: ${order.reason}`))
}

function advance(state: ReleaseState, order: Command): CommandResult {
  if (!state.baking) {
    const awaited = state.waitingFor.length > 0 ? ` It waits for ${state.waitingFor.join('; ')}.` : ''
    return refuse('command_refused', `No step is baking, so there is no time to skip.${awaited}`)
  }
  if (state.paused !== undefined) return refuse('command_refused', 'The release is paused; resume it first.')
  return accept(noted({ ...state, advanceAsked: true }, order.at, `bake skipped by ${order.by}: ${order.reason}`))
}

function ended(state: ReleaseState, kind: 'rollback' | 'reject', order: Command): ReleaseState {
  const ending = { kind, by: order.by, reason: order.reason }
  const phase = kind === 'rollback' ? 'rolling_back' : 'rejected'
  return noted(
    { ...state, ending, phase: kind === 'rollback' ? phase : state.phase },
    order.at,
    `${kind} by ${order.by}: ${order.reason}`,
  )
}

/** The phase of an open release follows from what it waits for. */
export function withPhase(state: ReleaseState): ReleaseState {
  if (isClosed(state.phase) || state.phase === 'rolling_back') return state
  const phase = state.paused !== undefined ? 'paused' : state.approvalsWanted > 0 ? 'awaiting_approval' : 'running'
  return { ...state, phase }
}

/** A release before its plan is known. */
export function initialRelease(input: { releaseId: string; task: string; author: string }): ReleaseState {
  return {
    ...input,
    stage: 'plan',
    phase: 'running',
    approvals: [],
    approvalsWanted: 0,
    approvalRules: { notTheAuthor: false, trustSignals: false },
    baking: false,
    advanceAsked: false,
    verdicts: [],
    waitingFor: [],
    notes: [],
  }
}
