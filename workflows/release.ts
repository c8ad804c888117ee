import {
  ActivityFailure,
  ApplicationFailure,
  allHandlersFinished,
  CancellationScope,
  condition,
  isCancellation,
  patched,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow'
import { exposureText } from '../src/domain/plan'
import { type ClosedPhase, initialRelease, noted, type ReleaseState } from '../src/domain/release'
import type { PlannedStep, Stage } from '../src/domain/rollout'
import {
  type AdvanceOutcome,
  type PlanOutcome,
  type ReleaseInput,
  type ReleaseOutcome,
  readReleaseInput,
  type WatchOutcome,
  type WithdrawRequest,
} from './messages'
import { ledger, long, quick, watching } from './proxies'
import { openBoard, type ReleaseBoard } from './release-board'
import { duration, messageOf, passedShadow, Stop } from './release-stop'
import { searchAttributes } from './search-attributes'

type Planned = Extract<PlanOutcome, { kind: 'planned' }>

/** Limits of a wait: whether a pause ends it, and what happens at the deadline. */
interface Bound {
  readonly stopOnPause: boolean
  /** Absent: none. */
  readonly deadlineMs?: number
  readonly overdue: () => void
}

/** A deadline may pass while nobody could look, or report: one more look is waited for, for as long as an outage may take. */
const lastLookMs = 3_600_000

/** For what ends by a deadline of its own. */
const stoppedByPause: Bound = { stopOnPause: true, overdue: () => undefined }

/**
 * One release, `plan → test → stage → pilot → rollout → communicate`. The workflow only decides; effects are activities
 * that may run twice. Its history does not depend on bake times, traffic or tenants.
 */
export async function release(given: ReleaseInput): Promise<ReleaseOutcome> {
  const input = readReleaseInput(given)
  if (input === undefined) {
    const text =
      'A release takes {"request": {"task": "…", "change": {"role": "name@1.0.0"}, "why": "…"}, "author": "…"}.'
    throw ApplicationFailure.nonRetryable(text, 'invalid_request')
  }
  const board = openBoard(
    initialRelease({ releaseId: input.releaseId ?? '', task: input.request.task, author: input.author }),
  )
  const run = new ReleaseRun(board, input)
  try {
    const phase = await run.forward()
    return await run.close(phase, 'every step is done')
  } catch (error) {
    return await CancellationScope.nonCancellable(() => run.goBack(error))
  }
}

class ReleaseRun {
  private readonly board: ReleaseBoard
  private readonly input: ReleaseInput
  private readonly watchScope = new CancellationScope({ cancellable: true })
  /** True from the moment at which a lane may have been written: from then on a stop is a rollback. */
  private exposed = false
  private shadowed = false

  constructor(board: ReleaseBoard, input: ReleaseInput) {
    this.board = board
    this.input = input
  }

  private get state(): ReleaseState {
    return this.board.state
  }

  async forward(): Promise<ClosedPhase> {
    const plan = await this.plan()
    await this.until(() => this.state.approvalsWanted === 0)
    await this.test(plan)
    this.exposed = true
    this.watch()
    let from: PlannedStep | undefined
    for (const [index, step] of plan.steps.entries()) {
      if (step.environment === plan.environment) await this.shadow(plan)
      await this.advance(plan, step, from)
      this.enter(step.stage, { name: step.name, index: index + 1, of: plan.steps.length })
      if (step.stage === 'stage') await this.smoke(step, plan)
      await this.bake(step.bakeMs + plan.leadMs, step)
      from = step
    }
    await this.shadow(plan)
    await this.advance(plan, undefined, from)
    await quick.settleRelease.executeWithOptions({ summary: 'settle in the earlier environments' }, [this.release()])
    this.watchScope.cancel()
    return this.communicate()
  }

  private async plan(): Promise<Planned> {
    const { workflowId, runId } = workflowInfo()
    const { request, author } = this.input
    const order = { releaseId: this.state.releaseId, request, author, workflowId, runId }
    const plan = await this.interruptible(() =>
      quick.planRelease.executeWithOptions({ summary: `plan ${request.task}` }, [order]),
    )
    this.board.set((state) => ({ ...state, releaseId: plan.releaseId }))
    if (plan.kind === 'refused') throw new Stop('refused', `${plan.code}: ${plan.message}`)
    upsertSearchAttributes([
      { key: searchAttributes.environment, value: plan.environment },
      { key: searchAttributes.risk, value: plan.risk },
    ])
    const { count, ...approvalRules } = plan.approvals
    this.board.set((state) => ({
      ...noted(state, Date.now(), `planned: ${plan.steps.length} steps`),
      planDigest: plan.digest,
      candidate: plan.candidate,
      approvalsWanted: count,
      approvalRules,
    }))
    return plan
  }

  private async test(plan: Planned): Promise<void> {
    this.enter('test')
    const summary = 'run the suite on candidate and incumbent'
    const outcome = await this.inTime(
      () => long.testRelease.executeWithOptions({ summary }, [this.release()]),
      plan.deadlineMs,
      new Stop('blocked', `the suite was not finished within ${duration(plan.deadlineMs)}`),
    )
    this.board.set((state) => ({ ...state, verdicts: [...outcome.figures] }))
    if (outcome.verdict !== 'pass') throw new Stop('blocked', outcome.reasons.join('; '))
    this.board.note('the suite passed')
  }

  /** Starts the safety clock; it ends with the release, or withdraws it by itself. */
  private watch(): void {
    const running = this.watchScope.run(() =>
      watching().watchRelease.executeWithOptions({ summary: 'safety clock' }, [this.release()]),
    )
    running.then(
      (outcome) => this.watched(outcome),
      (error: unknown) => {
        if (!isCancellation(error)) this.board.note(`the safety clock failed: ${messageOf(error)}`)
      },
    )
  }

  private watched(outcome: WatchOutcome): void {
    if (outcome.kind === 'ended' || this.state.ending !== undefined) return
    const { by, reason } = outcome
    this.board.set((state) => ({
      ...noted(state, Date.now(), `withdrawn by ${by}: ${reason}`),
      phase: 'rolling_back',
      ending: { kind: 'rollback', by, reason },
    }))
  }

  /**
   * Once, before anybody is served where the release rolls out: the candidate answers copies. It belongs to the stage
   * `stage`, since nobody has the candidate yet; a policy without a pilot has it all the same.
   */
  private async shadow(plan: Planned): Promise<void> {
    if (plan.shadow !== true || this.shadowed) return
    this.shadowed = true
    this.enter('stage')
    const summary = 'the candidate answers copies of requests'
    for (;;) {
      await this.until(() => this.state.paused === undefined)
      this.board.set((state) => ({ ...state, waitingFor: ['pairs of answers in the shadow'] }))
      const outcome = await this.interruptible(
        () => ledger.shadowRelease.executeWithOptions({ summary }, [this.release()]),
        stoppedByPause,
      )
      if (outcome === undefined) continue
      this.board.set((state) => ({ ...state, waitingFor: [] }))
      if (outcome.kind === 'disabled') {
        this.pause('sluice', 'disabled')
        continue
      }
      if (outcome.kind === 'pause') this.pause('sluice', `the shadow: ${outcome.reason}`)
      else this.board.note(passedShadow(outcome))
      return this.until(() => this.state.paused === undefined)
    }
  }

  /** Waits for the evidence of the step in force, then appends the next entry: one activity does both. */
  private async advance(plan: Planned, step: PlannedStep | undefined, from: PlannedStep | undefined): Promise<void> {
    const summary = step ? `${step.name}: ${exposureText(step)}` : 'settle the candidate'
    const order = { releaseId: this.state.releaseId, ...(step ? { step } : {}), ...(from ? { from } : {}) }
    let isLast = false
    const overdue = () => {
      isLast = !isLast && patched('release-last-look-202611')
      if (!isLast) this.overdue(plan)
    }
    for (;;) {
      await this.until(() => this.state.paused === undefined)
      this.board.set((state) => ({ ...state, waitingFor: from ? [`the evidence of ${from.name}`] : [] }))
      const asked = isLast ? { ...order, isLast } : order
      const bound = { stopOnPause: true, deadlineMs: isLast ? lastLookMs : plan.deadlineMs, overdue }
      const look = () => ledger.advanceRelease.executeWithOptions({ summary }, [asked])
      const outcome = await this.interruptible(look, bound)
      if (this.state.paused !== undefined) isLast = false
      if (outcome === undefined) continue
      if (outcome.kind === 'late') overdue()
      else if (outcome.kind !== 'disabled') return this.advanced(outcome, summary)
      else this.pause('sluice', 'disabled')
    }
  }

  private advanced(outcome: Exclude<AdvanceOutcome, { kind: 'disabled' | 'late' }>, summary: string): void {
    if (outcome.kind === 'moved') {
      throw new Stop(
        outcome.cause === 'rollback' ? 'withdraw' : 'superseded',
        `the lane was moved by a ${outcome.cause}`,
      )
    }
    // A new suite or somebody's hold says that this may not go on, and nothing of the candidate.
    if (outcome.kind === 'refused') throw new Stop('withdraw', `${outcome.code}: ${outcome.message}`, false)
    this.board.set((state) => ({
      ...noted(state, Date.now(), summary),
      waitingFor: [],
      verdicts: outcome.verdicts.map((verdict) => `${verdict.name}: ${verdict.verdict} — ${verdict.text}`),
      ...(outcome.arms ? { arms: outcome.arms } : {}),
    }))
  }

  private async smoke(step: PlannedStep, plan: Planned): Promise<void> {
    const order = { ...this.release(), environment: step.environment }
    const summary = `smoke cases in ${step.environment}`
    const outcome = await this.inTime(
      () => long.smokeRelease.executeWithOptions({ summary }, [order]),
      plan.deadlineMs,
      new Stop('withdraw', `the smoke cases were not answered within ${duration(plan.deadlineMs)}`, false),
    )
    if (!outcome.passed) throw new Stop('withdraw', `the smoke cases failed: ${outcome.reasons.join('; ')}`)
  }

  /** A pause stops the clock of the bake; `advance` skips what is left of it. */
  private async bake(bakeMs: number, step: PlannedStep): Promise<void> {
    let left = bakeMs
    const waitingFor = [`the bake of ${step.name}, ${duration(bakeMs)}`]
    this.board.set((state) => ({ ...state, waitingFor, baking: true, advanceAsked: false }))
    while (left > 0 && !this.state.advanceAsked) {
      await this.until(() => this.state.paused === undefined)
      const from = Date.now()
      const interrupted = () =>
        this.state.ending !== undefined || this.state.paused !== undefined || this.state.advanceAsked
      await condition(interrupted, left, { summary: `bake ${step.name}` })
      this.assertGoing()
      left -= Date.now() - from
    }
    this.board.set((state) => ({ ...state, waitingFor: [], baking: false, advanceAsked: false }))
  }

  private async communicate(): Promise<ClosedPhase> {
    this.enter('communicate')
    const outcome = await this.interruptible(() =>
      long.communicateRelease.executeWithOptions({ summary: 'notes to the tenants' }, [this.release()]),
    )
    this.board.note(`${outcome.delivered} notes delivered, ${outcome.failed} failed`)
    return outcome.failed > 0 ? 'done_with_failed_deliveries' : 'done'
  }

  /** Compensation: lanes first, then what people were told, then the record. Idempotent and tried without end. */
  async goBack(error: unknown): Promise<ReleaseOutcome> {
    const { by, reason, phase } = this.endingOf(error)
    const penalise = this.state.ending !== undefined || !(error instanceof Stop) || error.penalise
    this.board.set((state) => ({ ...state, ending: state.ending ?? { kind: 'rollback', by, reason } }))
    const order = { releaseId: this.state.releaseId, by, reason, penalise }
    if (this.exposed) {
      this.board.set((state) => ({ ...state, phase: 'rolling_back' }))
      await quick.withdrawRelease.executeWithOptions({ summary: 'restore every lane' }, [order])
      this.watchScope.cancel()
      await this.retract(order)
    }
    const outcome = await this.close(this.exposed && phase !== 'superseded' ? 'rolled_back' : phase, reason)
    if (isCancellation(error)) throw error
    return outcome
  }

  /** The lanes are restored by now; notes that cannot be taken back must not keep the release open. */
  private async retract(order: WithdrawRequest): Promise<void> {
    try {
      await long.retractRelease.executeWithOptions({ summary: 'take back what was communicated' }, [order])
    } catch (error) {
      if (!(error instanceof ActivityFailure)) throw error
      this.board.note(`what was communicated could not be taken back: ${messageOf(error)}`)
    }
  }

  private endingOf(error: unknown): { by: string; reason: string; phase: ClosedPhase } {
    const { ending } = this.state
    if (ending !== undefined) return { ...ending, phase: ending.kind === 'reject' ? 'rejected' : 'rolled_back' }
    if (error instanceof Stop)
      return { by: 'sluice', reason: error.reason, phase: error.phase === 'withdraw' ? 'rolled_back' : error.phase }
    if (isCancellation(error)) return { by: 'temporal', reason: 'the workflow was cancelled', phase: 'rolled_back' }
    if (error instanceof ActivityFailure || error instanceof ApplicationFailure) {
      return { by: 'sluice', reason: messageOf(error), phase: 'blocked' }
    }
    throw error
  }

  /** Closed in the state first: from here on commands are refused, so none is accepted and then lost. */
  async close(phase: ClosedPhase, reason: string): Promise<ReleaseOutcome> {
    const { releaseId } = this.state
    const ended = `${phase.replaceAll('_', ' ')}: ${reason}`
    this.board.set((state) => noted({ ...state, phase, waitingFor: [] }, Date.now(), ended))
    const { approvals, notes } = this.state
    await quick.closeRelease.executeWithOptions({ summary: `close as ${phase}` }, [
      { releaseId, runId: workflowInfo().runId, phase, reason, approvals, notes },
    ])
    await condition(allHandlersFinished)
    return { releaseId, phase, reason }
  }

  private enter(stage: Stage, step?: ReleaseState['step']): void {
    this.board.set((state) => {
      const { step: _step, ...rest } = state
      return { ...rest, stage, waitingFor: [], ...(step ? { step } : {}) }
    })
  }

  private pause(by: string, reason: string): void {
    this.board.set((state) => noted({ ...state, paused: { by, reason } }, Date.now(), `paused by ${by}: ${reason}`))
  }

  private release(): { readonly releaseId: string } {
    return { releaseId: this.state.releaseId }
  }

  private assertGoing(): void {
    const { ending } = this.state
    if (ending !== undefined) throw new Stop(ending.kind === 'reject' ? 'rejected' : 'withdraw', ending.reason)
  }

  private async until(fact: () => boolean): Promise<void> {
    await condition(() => fact() || this.state.ending !== undefined)
    this.assertGoing()
  }

  /** Runs an activity to its end, or throws `late` at the deadline: what never answers must not hold the task for ever. */
  private async inTime<T>(work: () => Promise<T>, deadlineMs: number, late: Stop): Promise<T> {
    const overdue = () => {
      throw late
    }
    return (await this.interruptible(work, { stopOnPause: false, deadlineMs, overdue })) as T
  }

  private interruptible<T>(work: () => Promise<T>): Promise<T>
  private interruptible<T>(work: () => Promise<T>, bound: Bound): Promise<T | undefined>
  /** Runs an activity, but leaves it as soon as the release ends (or, if asked, pauses or is overdue): then undefined. */
  private async interruptible<T>(work: () => Promise<T>, bound?: Bound): Promise<T | undefined> {
    const scope = new CancellationScope()
    const result: { value?: T; error?: unknown; settled: boolean } = { settled: false }
    scope.run(work).then(
      (value) => Object.assign(result, { value, settled: true }),
      (error: unknown) => Object.assign(result, { error, settled: true }),
    )
    const leave = () =>
      result.settled ||
      this.state.ending !== undefined ||
      (bound?.stopOnPause === true && this.state.paused !== undefined)
    const inTime = await this.left(leave, bound?.deadlineMs)
    if (!result.settled) scope.cancel()
    this.assertGoing()
    if (!inTime) bound?.overdue()
    if (result.error !== undefined) throw result.error
    return result.settled ? result.value : undefined
  }

  /** False where the deadline came first. */
  private async left(fact: () => boolean, deadlineMs: number | undefined): Promise<boolean> {
    if (deadlineMs !== undefined) return condition(fact, deadlineMs, { summary: 'deadline' })
    await condition(fact)
    return true
  }

  private overdue(plan: Planned): void {
    const reason = `no sufficient evidence within ${plan.deadlineMs / 1000} s: ${this.state.waitingFor.join('; ')}`
    if (plan.onDeadline === 'rollback') throw new Stop('withdraw', reason)
    this.pause('sluice', reason)
  }
}
