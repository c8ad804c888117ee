import { driftNotices } from '../domain/engine-drift'
import type { ArmReport, EvaluationCheck, EvidenceKey, JudgesPaid, Paid, Verdict } from '../domain/evaluation'
import { judgeEvaluation } from '../domain/evaluation-gate'
import { leakageCheck } from '../domain/leakage'
import type { Policy } from '../domain/policy'
import type { Endpoints } from '../engines/engine'
import { SluiceError } from '../errors'
import { EvaluationBudget } from './evaluation-budget'
import { type CallsInput, type CallsOutcome, runCalls } from './evaluation-calls'
import { Judging, type JudgingInput } from './evaluation-judging'
import { type OutcomeReports, StoredOutcomes } from './evaluation-outcomes'
import {
  type Callable,
  casePages,
  type EvaluationCatalog,
  type LoadedSuite,
  loadCallable,
  loadPolicy,
  loadSuite,
} from './evaluation-plan'
import { type ProgressSaver, progressSaver, SharedProgress } from './evaluation-progress'
import { questionsEach } from './evaluation-scoring'
import type { EvaluationProgress, EvaluationRuns } from './evaluations'
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

const maxReasons = 20

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
  const { catalog, evidence } = deps
  const suite = await loadSuite(catalog, order.suite)
  const policy = await loadPolicy(catalog, order.policy)
  // Before any result is read: one that a provider change makes void meanwhile is recorded as void.
  const judges = Object.values(suite.judges).map(({ engineDigest }) => engineDigest)
  const epochs = await evidence.epochs(order, [...new Set(judges)])
  const candidate = await loadCallable(catalog, order.candidate)
  const incumbent = order.incumbent === undefined ? undefined : await loadCallable(catalog, order.incumbent)
  const saver = progressSaver(deps.evaluations, order.evaluationId, hooks.onProgress)
  const question = { composite: order.candidate, suite: order.suite }
  const watched = { ...(hooks.signal ? { signal: hooks.signal } : {}), onProgress: saver.alive }
  const proof = await deps.leakage.prove(question, watched).finally(saver.flush)
  const leakage = leakageCheck(proof, policy)
  const setting: Setting = { order, suite, policy, candidate, ...(incumbent ? { incumbent } : {}) }
  const run = leakage.verdict === 'pass' ? callAndScore(deps, setting, hooks, saver) : scoreStored(deps, setting)
  const { calls, reports, judges: judged } = await run.finally(saver.flush)
  const paid = { ...(await paidOf(evidence, order, reports, calls)), ...(judged ? { judges: judged } : {}) }
  return evidence.record({
    candidate: order.candidate,
    ...(order.incumbent === undefined ? {} : { incumbent: order.incumbent }),
    suite: order.suite,
    policy: order.policy,
    evaluationId: order.evaluationId,
    epochs,
    ...judge({ suite, policy, leakage, calls, reports, paid }),
  })
}

/** What one evaluation is about, loaded. */
interface Setting {
  readonly order: EvaluationOrder
  readonly suite: LoadedSuite
  readonly policy: Policy
  readonly candidate: Callable
  readonly incumbent?: Callable
}

interface Run {
  readonly calls: CallsOutcome
  readonly reports: OutcomeReports
  /** Absent where no judge was asked. */
  readonly judges?: JudgesPaid
}

/** Nothing is paid, neither calls nor judges, for cases that the candidate may know. */
async function scoreStored(deps: EvaluationDeps, { order, suite, candidate, incumbent }: Setting): Promise<Run> {
  const { evaluationId } = order
  const given = { suite, candidate, evaluationId, ...(incumbent ? { incumbent } : {}) }
  const outcomes = new StoredOutcomes(deps.evidence.results, given)
  try {
    for await (const cases of casePages(deps.catalog, suite)) await outcomes.add(cases)
    return { calls: { calls: 0 }, reports: outcomes.reports() }
  } finally {
    await outcomes.close()
  }
}

async function callAndScore(
  deps: EvaluationDeps,
  { order, suite, policy, candidate, incumbent }: Setting,
  hooks: EvaluationHooks,
  saver: ProgressSaver,
): Promise<Run> {
  const { catalog, endpoints } = deps
  const { results } = deps.evidence
  const { evaluationId, concurrency } = order
  const arms = incumbent && order.incumbent !== order.candidate ? [candidate, incumbent] : [candidate]
  const spentUsd = (await results.spentUsd(evaluationId)) + (await results.judgements.paidBy(evaluationId)).costUsd
  const bounds = {
    evaluationId,
    budget: new EvaluationBudget(policy.test.budgetUsd, spentUsd),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(hooks.signal ? { signal: hooks.signal } : {}),
  }
  const progress = new SharedProgress(saver.onProgress)
  const judging = judgingOf(deps, suite, arms.length, { ...bounds, onProgress: () => progress.judged(judging) })
  const given = { suite, candidate, evaluationId, ...(incumbent ? { incumbent } : {}), ...(judging ? { judging } : {}) }
  const outcomes = new StoredOutcomes(results, given)
  const input: CallsInput = {
    ...bounds,
    suite,
    arms,
    onProgress: (called) => progress.called(called, judging),
    onPage: (cases, failed) => outcomes.add(cases, failed),
  }
  const calls = await runCalls({ catalog, results, endpoints }, input).finally(() => outcomes.close())
  return { calls, reports: outcomes.reports(), ...(judging ? { judges: await judging.paid() } : {}) }
}

/** Only a suite that asks judges has something to judge. */
function judgingOf(
  { evidence, endpoints }: EvaluationDeps,
  suite: LoadedSuite,
  arms: number,
  bounds: Omit<JudgingInput, 'judges' | 'endpoints' | 'expected'>,
): Judging | undefined {
  const each = questionsEach(suite)
  if (each === 0) return undefined
  const expected = arms * suite.cases * suite.content.repeats * each
  return new Judging(evidence.results.judgements, { ...bounds, judges: suite.judges, endpoints, expected })
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
    primary: content.primary,
    ...(calls.stopped === undefined ? {} : { stopped: calls.stopped }),
    ...(paid.judges?.stopped === undefined ? {} : { judging: paid.judges.stopped }),
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
      ...(gate.shifts.length === 0 ? {} : { shifts: gate.shifts }),
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
