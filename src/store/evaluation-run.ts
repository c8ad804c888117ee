import { driftNotices } from '../domain/engine-drift'
import type { ArmReport, EvaluationCheck, EvidenceKey, Paid, Verdict } from '../domain/evaluation'
import { judgeEvaluation } from '../domain/evaluation-gate'
import { leakageCheck } from '../domain/leakage'
import type { Policy } from '../domain/policy'
import type { Endpoints } from '../engines/engine'
import { SluiceError } from '../errors'
import { type CallsInput, type CallsOutcome, runCalls } from './evaluation-calls'
import { type OutcomeReports, StoredOutcomes } from './evaluation-outcomes'
import {
  casePages,
  type EvaluationCatalog,
  type LoadedSuite,
  loadCallable,
  loadPolicy,
  loadSuite,
} from './evaluation-plan'
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
  /** Calls of this evaluation in flight at the same time; absent: as many as its endpoints take. */
  readonly concurrency?: number
}

export interface EvaluationHooks {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: EvaluationProgress) => void
}

/** Progress goes to the store at most this often. */
const progressIntervalMs = 500
const maxReasons = 20
/** Nothing is paid for cases that the candidate may know. */
const noCalls: CallsOutcome = { calls: 0 }

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
  const { results } = evidence
  const { evaluationId, concurrency } = order
  const suite = await loadSuite(catalog, order.suite)
  const policy = await loadPolicy(catalog, order.policy)
  // Before any result is read: one that a provider change makes void meanwhile is recorded as void.
  const epochs = await evidence.epochs(order)
  const candidate = await loadCallable(catalog, order.candidate)
  const incumbent = order.incumbent === undefined ? undefined : await loadCallable(catalog, order.incumbent)
  const outcomes = new StoredOutcomes(results, { suite, candidate, evaluationId, ...(incumbent ? { incumbent } : {}) })
  const saver = progressSaver(deps.evaluations, evaluationId, hooks.onProgress)
  const signal = hooks.signal ? { signal: hooks.signal } : {}
  const question = { composite: order.candidate, suite: order.suite }
  const proof = await deps.leakage.prove(question, { ...signal, onProgress: saver.alive }).finally(saver.flush)
  const leakage = leakageCheck(proof, policy)
  const input: CallsInput = {
    evaluationId,
    suite,
    arms: incumbent && order.incumbent !== order.candidate ? [candidate, incumbent] : [candidate],
    budgetUsd: policy.test.budgetUsd,
    onProgress: saver.onProgress,
    onPage: (cases, failed) => outcomes.add(cases, failed),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...signal,
  }
  const run = () => runCalls({ catalog, results, endpoints }, input).finally(saver.flush)
  const calls = leakage.verdict === 'pass' ? await run() : noCalls
  // What is stored is told all the same, though nothing is concluded from it.
  if (calls === noCalls) for await (const cases of casePages(catalog, suite)) await outcomes.add(cases)
  const reports = outcomes.reports()
  const paid = await paidOf(evidence, order, reports, calls)
  return evidence.record({
    candidate: order.candidate,
    ...(order.incumbent === undefined ? {} : { incumbent: order.incumbent }),
    suite: order.suite,
    policy: order.policy,
    evaluationId,
    epochs,
    ...judge({ suite, policy, leakage, calls, reports, paid }),
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
  readonly suite: LoadedSuite
  readonly policy: Policy
  readonly leakage: EvaluationCheck
  readonly calls: CallsOutcome
  readonly reports: OutcomeReports
  readonly paid: Paid
}

function judge({
  suite,
  policy,
  leakage,
  calls,
  reports,
  paid,
}: JudgeInput): Pick<Verdict, 'verdict' | 'reasons' | 'shifting' | 'report'> {
  const { content, cases, groups } = suite
  const gate = judgeEvaluation({
    ...reports,
    expected: cases * content.repeats,
    thresholds: content.thresholds,
    policy,
    leakage,
    ...(calls.stopped === undefined ? {} : { stopped: calls.stopped }),
  })
  return {
    verdict: gate.verdict,
    shifting: gate.shifting,
    reasons: [...gate.reasons, ...driftNotices(reports)].slice(0, maxReasons),
    report: {
      suite: suite.digest,
      primary: content.primary,
      cases,
      groups,
      repeats: content.repeats,
      ...reports,
      checks: gate.checks,
      paid,
    },
  }
}

async function paidOf(
  { results }: Evidence,
  { candidate, incumbent, suite, evaluationId }: EvaluationOrder,
  reports: OutcomeReports,
  { calls }: CallsOutcome,
): Promise<Paid> {
  const arms = [...new Set([candidate, ...(incumbent === undefined ? [] : [incumbent])])]
  const own = (arm: ArmReport) => arm.results - arm.errors - arm.fromStore
  let lostCalls = 0
  for (const composite of arms) lostCalls += await results.lostCalls({ composite, suite })
  return {
    calls,
    results: own(reports.candidate) + (reports.incumbent && incumbent !== candidate ? own(reports.incumbent) : 0),
    costUsd: await results.spentUsd(evaluationId),
    lostCalls,
  }
}
