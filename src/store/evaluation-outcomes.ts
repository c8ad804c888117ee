import type { ArmReport, CaseOutcome, Comparison } from '../domain/evaluation'
import { armReport, compareArms } from '../domain/evaluation-report'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import { jobKey } from './evaluation-calls'
import { type Callable, type EvaluationCatalog, type LoadedSuite, loadCallable, loadSuite } from './evaluation-plan'
import { createScoring } from './evaluation-scoring'
import type { ResultStore } from './evidence-results'

export interface OutcomesInput {
  readonly suite: LoadedSuite
  readonly arm: Callable
  /** The run that asks: results that another one paid for count as from the store. */
  readonly evaluationId: string
  /** Keys of cases that the engine gave no answer to. */
  readonly failed: ReadonlySet<string>
}

/** Scores what is stored, so that a verdict is a function of the evidence kept. */
export async function scoredOutcomes(results: ResultStore, input: OutcomesInput): Promise<readonly CaseOutcome[]> {
  const { suite, arm, evaluationId, failed } = input
  const scoring = createScoring(suite.content, arm)
  const stored = await results.all({ composite: arm.composite, suite: suite.digest })
  const byKey = new Map(stored.map((row) => [jobKey(row.caseId, row.repeat), row.result]))
  const outcomes: CaseOutcome[] = []
  for (let repeat = 0; repeat < suite.content.repeats; repeat += 1) {
    for (const one of suite.cases) {
      const key = jobKey(one.id, repeat)
      const result = byKey.get(key)
      if (result) outcomes.push(scoring.outcome(one, repeat, result, evaluationId))
      else if (failed.has(key)) outcomes.push(scoring.failure(one, repeat))
    }
  }
  return outcomes
}

export interface Scored {
  readonly suite: Digest
  readonly composite: Digest
}

export interface StoredComparison {
  readonly suite: Digest
  readonly before: ArmReport
  readonly after: ArmReport
  readonly comparison: Comparison
}

/**
 * Compares two composites by their stored results, without any call. Throws `suite_mismatch` for scores of different
 * suites, and `not_found` where no case was run on both.
 */
export async function compareStored(
  deps: { readonly catalog: EvaluationCatalog; readonly results: ResultStore },
  before: Scored,
  after: Scored,
): Promise<StoredComparison> {
  if (before.suite !== after.suite) {
    const text = `The first was scored on ${before.suite}, the second on ${after.suite}: run one of them on the suite of the other.`
    throw new SluiceError('suite_mismatch', text, { before, after })
  }
  const suite = await loadSuite(deps.catalog, before.suite)
  const { primary, scorers } = suite.content
  const scored = { scorers: scorers.map(({ name }) => name), primary }
  const outcomes = async (composite: Digest) => {
    const arm = await loadCallable(deps.catalog, composite)
    return scoredOutcomes(deps.results, { suite, arm, evaluationId: '', failed: new Set() })
  }
  const [first, second] = [await outcomes(before.composite), await outcomes(after.composite)]
  const comparison = compareArms(second, first, primary)
  if (!comparison)
    throw new SluiceError('not_found', 'No case of the suite has a stored result of both.', { before, after })
  return {
    suite: before.suite,
    before: armReport(before.composite, first, scored),
    after: armReport(after.composite, second, scored),
    comparison,
  }
}
