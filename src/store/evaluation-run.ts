import type { CaseOutcome, EvaluationCheck, EvidenceKey, Paid, Verdict } from '../domain/evaluation'
import { judgeEvaluation } from '../domain/evaluation-gate'
import { armReport, compareArms } from '../domain/evaluation-report'
import { leakageCheck } from '../domain/leakage'
import type { Policy } from '../domain/policy'
import type { Endpoints } from '../engines/engine'
import { SluiceError } from '../errors'
import { type CallsOutcome, runCalls } from './evaluation-calls'
import { scoredOutcomes } from './evaluation-outcomes'
import { type EvaluationCatalog, type LoadedSuite, loadCallable, loadPolicy, loadSuite } from './evaluation-plan'
import { type EvaluationProgress, type EvaluationRuns, noProgress } from './evaluations'
import type { Evidence } from './evidence'
import type { Leakage } from './leakage'

export interface EvaluationDeps {
  readonly catalog: EvaluationCatalog
  readonly evidence: Evidence
  readonly evaluations: EvaluationRuns
  readonly leakage: Leakage
  readonly endpoints: Endpoints
}

export interface EvaluationOrder extends EvidenceKey {
  /** Running an id again resumes it, or gives the verdict it has. */
  readonly evaluationId: string
  readonly by: string
  /** Calls in flight at the same time. */
  readonly concurrency?: number
}

export interface EvaluationHooks {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: EvaluationProgress) => void
}

const defaultConcurrency = 8
/** Progress goes to the store at most this often. */
const progressIntervalMs = 500
const maxReasons = 20
const none: ReadonlySet<string> = new Set()
/** Nothing is paid for cases that the candidate may know. */
const noCalls: CallsOutcome = { calls: 0, failed: new Map() }

/**
 * Runs the suite on candidate and incumbent, judges, and puts the verdict in force. Only what has no stored result is
 * called; a stored verdict of the same id is given back. Throws the signal's reason when aborted; a later run resumes.
 */
export async function runEvaluation(
  deps: EvaluationDeps,
  order: EvaluationOrder,
  hooks: EvaluationHooks = {},
): Promise<Verdict> {
  const { evaluationId } = order
  const run = await deps.evaluations.begin(evaluationId, order, order.by)
  const known = await deps.evidence.verdictOf(evaluationId)
  if (known) {
    if (run.state !== 'done') await deps.evaluations.end(evaluationId, 'done')
    return known
  }
  try {
    const verdict = await evaluate(deps, order, hooks)
    await deps.evaluations.end(evaluationId, 'done')
    return verdict
  } catch (error) {
    await deps.evaluations.end(evaluationId, hooks.signal?.aborted ? 'cancelled' : 'failed', faultOf(error))
    throw error
  }
}

function faultOf(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof SluiceError) return { code: error.code, message: error.message }
  return { code: 'internal', message: (error as Error).message }
}

async function evaluate(deps: EvaluationDeps, order: EvaluationOrder, hooks: EvaluationHooks): Promise<Verdict> {
  const { catalog, evidence, endpoints } = deps
  const { evaluationId, candidate, incumbent, concurrency = defaultConcurrency } = order
  const suite = await loadSuite(catalog, order.suite)
  const policy = await loadPolicy(catalog, order.policy)
  // Before any result is read: one that a provider change makes void meanwhile is recorded as void.
  const epochs = await evidence.epochs(order)
  const arms = [await loadCallable(catalog, candidate)]
  if (incumbent !== undefined && incumbent !== candidate) arms.push(await loadCallable(catalog, incumbent))
  const signal = hooks.signal ? { signal: hooks.signal } : {}
  const saver = progressSaver(deps.evaluations, evaluationId, hooks.onProgress)
  const question = { composite: candidate, suite: order.suite }
  const proof = await deps.leakage.prove(question, { ...signal, onProgress: saver.alive }).finally(saver.flush)
  const leakage = leakageCheck(proof, policy)
  const calls =
    leakage.verdict === 'pass'
      ? await runCalls(evidence.results, {
          evaluationId,
          suite,
          arms,
          endpoints,
          budgetUsd: policy.test.budgetUsd,
          concurrency,
          onProgress: saver.onProgress,
          ...signal,
        }).finally(saver.flush)
      : noCalls
  const outcomes: (readonly CaseOutcome[])[] = []
  for (const arm of arms)
    outcomes.push(
      await scoredOutcomes(evidence.results, {
        suite,
        arm,
        evaluationId,
        failed: calls.failed.get(arm.composite) ?? none,
      }),
    )
  const [own = [], against = incumbent === candidate ? own : undefined] = outcomes
  return evidence.record({
    candidate,
    ...(incumbent === undefined ? {} : { incumbent }),
    suite: order.suite,
    policy: order.policy,
    evaluationId,
    epochs,
    ...judge({
      order,
      suite,
      policy,
      leakage,
      calls,
      candidate: own,
      paid: await paidOf(evidence, order, own, against, calls),
      ...(against ? { incumbent: against } : {}),
    }),
  })
}

/** Writes progress seldom and one at a time; `flush` waits for the last one. */
function progressSaver(evaluations: EvaluationRuns, id: string, onProgress: EvaluationHooks['onProgress']) {
  let newest: EvaluationProgress | undefined
  let savedAt = 0
  let saving: Promise<void> = Promise.resolve()
  const save = (): void => {
    const progress = newest
    savedAt = performance.now()
    if (!progress) return
    // Progress is for people only: a write that fails must not fail the run, which has its own writes to fail on.
    saving = saving.then(() => evaluations.progress(id, progress)).catch(() => undefined)
  }
  const saveSeldom = (): void => {
    if (performance.now() - savedAt >= progressIntervalMs) save()
  }
  return {
    onProgress(progress: EvaluationProgress): void {
      newest = progress
      onProgress?.(progress)
      saveSeldom()
    },
    /** Shows that the run goes on where no case was run yet: a run that is silent for long counts as lost. */
    alive(): void {
      newest ??= noProgress
      saveSeldom()
    },
    async flush(): Promise<void> {
      save()
      await saving
    },
  }
}

interface JudgeInput {
  readonly order: EvaluationOrder
  readonly suite: LoadedSuite
  readonly policy: Policy
  readonly leakage: EvaluationCheck
  readonly calls: CallsOutcome
  readonly candidate: readonly CaseOutcome[]
  readonly incumbent?: readonly CaseOutcome[]
  readonly paid: Paid
}

function judge({
  order,
  suite,
  policy,
  leakage,
  calls,
  paid,
  ...outcomes
}: JudgeInput): Pick<Verdict, 'verdict' | 'reasons' | 'shifting' | 'report'> {
  const { content } = suite
  const scored = { scorers: content.scorers.map(({ name }) => name), primary: content.primary }
  const candidate = armReport(order.candidate, outcomes.candidate, scored)
  const incumbent =
    order.incumbent && outcomes.incumbent ? armReport(order.incumbent, outcomes.incumbent, scored) : undefined
  const comparison = outcomes.incumbent && compareArms(outcomes.candidate, outcomes.incumbent, content.primary)
  const compared = { ...(incumbent ? { incumbent } : {}), ...(comparison ? { comparison } : {}) }
  const gate = judgeEvaluation({
    candidate,
    ...compared,
    expected: suite.cases.length * content.repeats,
    thresholds: content.thresholds,
    policy,
    leakage,
    ...(calls.stopped === undefined ? {} : { stopped: calls.stopped }),
  })
  return {
    verdict: gate.verdict,
    shifting: gate.shifting,
    reasons: gate.reasons.slice(0, maxReasons),
    report: {
      suite: suite.digest,
      primary: content.primary,
      cases: suite.cases.length,
      groups: new Set(suite.cases.map(({ group }) => group)).size,
      repeats: content.repeats,
      candidate,
      ...compared,
      checks: gate.checks,
      paid,
    },
  }
}

async function paidOf(
  evidence: Evidence,
  order: EvaluationOrder,
  ...rest: [readonly CaseOutcome[], readonly CaseOutcome[] | undefined, CallsOutcome]
): Promise<Paid> {
  const [candidate, incumbent, { calls }] = rest
  const { suite } = order
  const lost = (composite: EvidenceKey['candidate'] | undefined) =>
    composite === undefined ? 0 : evidence.results.lostCalls({ composite, suite })
  const own = (outcomes: readonly CaseOutcome[]) =>
    outcomes.filter(({ status, fromStore }) => status === 'ok' && !fromStore).length
  return {
    calls,
    results: own(candidate) + (order.incumbent === order.candidate ? 0 : own(incumbent ?? [])),
    costUsd: await evidence.results.spentUsd(order.evaluationId),
    lostCalls: (await lost(order.candidate)) + (await lost(order.incumbent)),
  }
}
