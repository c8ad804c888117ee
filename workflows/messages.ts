import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow'
import type { ArmSummary, GuardrailVerdict } from '../src/domain/guardrail'
import { nestingFault } from '../src/domain/nesting'
import type { ReleaseRequest, Risk } from '../src/domain/plan'
import {
  type Approval,
  type CommandName,
  commandNames,
  type ReleaseNote,
  type ReleasePhase,
  type ReleaseState,
} from '../src/domain/release'
import type { PlannedStep } from '../src/domain/rollout'
import { cutText, maxReasonLength, wellFormed } from '../src/domain/text'

/** Input of the workflow type `release`. From the Temporal UI `{request, author}` is enough. */
export interface ReleaseInput {
  readonly request: ReleaseRequest
  /** Who asked; a claim, when started without the API. */
  readonly author: string
  /** ULID given by the API; made by the first activity otherwise. */
  readonly releaseId?: string
}

const maxNameLength = 200
/** A request has three. */
const maxLevels = 10
const maxRoles = 32
/** Part of ledger keys, so without a slash. */
const releaseIdPattern = /^[0-9A-Za-z-]{1,64}$/

/** Reads what somebody typed into the Temporal UI to start a release; undefined where it is none. */
export function readReleaseInput(value: unknown): ReleaseInput | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (nestingFault(value, maxLevels) !== undefined) return undefined
  const { request, author, releaseId } = wellFormed(value) as Record<string, unknown>
  if (!isText(author, maxNameLength) || !isReleaseRequest(request)) return undefined
  if (releaseId === undefined || releaseId === '') return { request, author }
  return typeof releaseId === 'string' && releaseIdPattern.test(releaseId) ? { request, author, releaseId } : undefined
}

function isReleaseRequest(value: unknown): value is ReleaseRequest {
  if (typeof value !== 'object' || value === null) return false
  const { task, change, why, expect, policy, breakGlass } = value as Record<string, unknown>
  if (!isText(task, maxNameLength) || !isText(why, maxWhyLength)) return false
  if (expect !== undefined && !isText(expect, maxWhyLength)) return false
  if (policy !== undefined && !isText(policy, maxNameLength)) return false
  if (breakGlass !== undefined && !isText(breakGlass, maxWhyLength)) return false
  if (typeof change !== 'object' || change === null) return false
  const roles = Object.entries(change)
  return roles.length <= maxRoles && roles.every((pair) => pair.every((text) => isText(text, maxNameLength)))
}

const maxWhyLength = 2_000
const isText = (value: unknown, maxLength: number): value is string =>
  typeof value === 'string' && value.trim() !== '' && value.length <= maxLength

export interface ReleaseOutcome {
  readonly releaseId: string
  readonly phase: ReleasePhase
  readonly reason?: string
}

/** Payload of every signal and update. */
export interface CommandPayload {
  readonly by: string
  readonly reason: string
  /** The plan digest, with `approve`. */
  readonly plan?: string
}

export const releaseStatus = defineQuery<ReleaseState>('status')

export const commandSignals = Object.fromEntries(commandNames.map((name) => [name, defineSignal<[unknown]>(name)])) as {
  readonly [name in CommandName]: ReturnType<typeof defineSignal<[unknown]>>
}

export const commandUpdates = Object.fromEntries(
  commandNames.map((name) => [name, defineUpdate<ReleaseState, [CommandPayload]>(name)]),
) as { readonly [name in CommandName]: ReturnType<typeof defineUpdate<ReleaseState, [CommandPayload]>> }

const maxByLength = 1_000

/** Reads what somebody typed into the Temporal UI; undefined where it is not a command. */
export function readCommandPayload(value: unknown): CommandPayload | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { by, reason, plan } = value as Record<string, unknown>
  if (typeof by !== 'string' || by.trim() === '' || typeof reason !== 'string') return undefined
  if (plan !== undefined && typeof plan !== 'string') return undefined
  const text = { by: cutText(by, maxByLength), reason: cutText(reason, maxReasonLength) }
  return plan === undefined ? text : { ...text, plan }
}

export interface PlanRequest {
  readonly releaseId: string
  readonly request: ReleaseRequest
  readonly author: string
  readonly workflowId: string
  readonly runId: string
}

export type PlanOutcome =
  | { readonly kind: 'refused'; readonly releaseId: string; readonly code: string; readonly message: string }
  | {
      readonly kind: 'planned'
      readonly releaseId: string
      readonly digest: string
      readonly candidate: string
      readonly risk: Risk
      readonly environment: string
      readonly steps: readonly PlannedStep[]
      /** Whether the candidate answers copies before the first step where it rolls out. Absent: it does not. */
      readonly shadow?: true
      readonly leadMs: number
      readonly deadlineMs: number
      readonly onDeadline: 'pause' | 'rollback'
      readonly approvals: { readonly count: number; readonly notTheAuthor: boolean; readonly trustSignals: boolean }
      /** The plan for people, cut to a bound. */
      readonly text: string
    }

export interface TestOutcome {
  readonly verdict: 'pass' | 'fail' | 'no_evidence'
  readonly reasons: readonly string[]
  /** Lines for people: accuracy, cost, latency of both arms. */
  readonly figures: readonly string[]
}

/** `next`: the step to take; absent: settle in the environment that the release rolls out in. */
export interface AdvanceRequest {
  readonly releaseId: string
  readonly step?: PlannedStep
  /** The step in force, whose evidence is judged; absent before the first. */
  readonly from?: PlannedStep
  /** The deadline is over: a look that does not suffice says so instead of waiting on. */
  readonly isLast?: boolean
}

export type AdvanceOutcome =
  | {
      readonly kind: 'appended'
      readonly seq: number
      readonly arms?: { readonly candidate: ArmSummary; readonly incumbent: ArmSummary }
      readonly verdicts: readonly Pick<GuardrailVerdict, 'name' | 'verdict' | 'reason' | 'text'>[]
    }
  | { readonly kind: 'moved'; readonly cause: string }
  | { readonly kind: 'disabled' }
  | { readonly kind: 'late' }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }

/** `refused`: the gate says no. */
export type ShadowOutcome =
  | { readonly kind: 'pass' | 'go_on' | 'fail' | 'withdraw'; readonly reason: string }
  | { readonly kind: 'pause'; readonly reason: string }
  | { readonly kind: 'disabled' }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }

export type WatchOutcome =
  | { readonly kind: 'withdrawn'; readonly by: string; readonly reason: string }
  | { readonly kind: 'ended' }

export interface SmokeOutcome {
  readonly passed: boolean
  readonly reasons: readonly string[]
}

export interface WithdrawRequest {
  readonly releaseId: string
  readonly by: string
  readonly reason: string
  /** Whether the policy's hold and veto follow; not where the lane only moved on. */
  readonly penalise: boolean
}

export interface CloseRequest {
  readonly releaseId: string
  /** The run that closes; the record of another run is left alone. */
  readonly runId: string | undefined
  readonly phase: ReleasePhase
  readonly reason: string
  /** Who approved and what happened, as the workflow saw it: the record outlasts the history. Absent: it is gone. */
  readonly approvals?: readonly Approval[]
  readonly notes?: readonly ReleaseNote[]
}

export interface DeliveryOutcome {
  readonly delivered: number
  readonly failed: number
}

/** The effects of a release. Every one takes one object, carries its key in it, and may run twice. */
export interface ReleaseActivities {
  planRelease(request: PlanRequest): Promise<PlanOutcome>
  testRelease(request: { readonly releaseId: string }): Promise<TestOutcome>
  advanceRelease(request: AdvanceRequest): Promise<AdvanceOutcome>
  shadowRelease(request: { readonly releaseId: string }): Promise<ShadowOutcome>
  smokeRelease(request: { readonly releaseId: string; readonly environment: string }): Promise<SmokeOutcome>
  settleRelease(request: { readonly releaseId: string }): Promise<void>
  withdrawRelease(request: WithdrawRequest): Promise<{ readonly lanes: readonly string[] }>
  communicateRelease(request: { readonly releaseId: string }): Promise<DeliveryOutcome>
  retractRelease(request: WithdrawRequest): Promise<DeliveryOutcome>
  closeRelease(request: CloseRequest): Promise<void>
}

/** The safety clock, on its own task queue. */
export interface WatchActivities {
  watchRelease(request: { readonly releaseId: string }): Promise<WatchOutcome>
}
