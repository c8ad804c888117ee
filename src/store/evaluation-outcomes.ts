import { ArmFold } from '../domain/arm-fold'
import { ComparisonFold } from '../domain/comparison-fold'
import type { SuiteCase } from '../domain/contents'
import { EngineFold } from '../domain/engine-fold'
import type { ArmReport, CaseOutcome, Comparison, JudgeSeen } from '../domain/evaluation'
import { pairOf } from '../domain/provider-change'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import { keysOf, placeOf, repeatsOf } from './evaluation-jobs'
import type { Judging } from './evaluation-judging'
import {
  type Callable,
  casePages,
  type EvaluationCatalog,
  type LoadedSuite,
  loadCallable,
  loadSuite,
} from './evaluation-plan'
import { createScoring, type OnAnswer, type ScoredItem, type SuiteScoring, scoredSuite } from './evaluation-scoring'
import type { ResultStore } from './evidence-results'
import type { JudgeAnswer } from './judgements'

export interface OutcomesOf {
  readonly suite: LoadedSuite
  readonly candidate: Callable
  /** May be the candidate itself. */
  readonly incumbent?: Callable
  /** The run that asks: results that another one paid for count as from the store. */
  readonly evaluationId: string
  /** Asks the judges of the suite before their answers are read; absent: only what they answered before counts. */
  readonly judging?: Judging
}

/** Composite → places of the cases that the engine gave no answer to. */
type Failed = ReadonlyMap<Digest, ReadonlySet<string>>

export interface OutcomeReports {
  readonly candidate: ArmReport
  readonly incumbent?: ArmReport
  readonly comparison?: Comparison
  /** Absent where no answer of a judge counts. */
  readonly judges?: readonly JudgeSeen[]
}

const judgeSeen = ([engine, fold]: readonly [Digest, EngineFold]): JudgeSeen => ({ engine, engines: fold.report() })

interface ScoredArm {
  readonly callable: Callable
  readonly scoring: SuiteScoring
  readonly fold: ArmFold
}

/**
 * Scores what is stored, a page of cases at a time, so that a verdict is a function of the evidence kept, and no more of
 * it is in memory than a page.
 */
export class StoredOutcomes {
  private readonly results: ResultStore
  private readonly of: OutcomesOf
  private readonly candidate: ScoredArm
  private readonly incumbent: ScoredArm | undefined
  private readonly compared: ComparisonFold
  /** Judge's engine → who answered for it. */
  private readonly judges = new Map<Digest, EngineFold>()

  constructor(results: ResultStore, of: OutcomesOf) {
    this.results = results
    this.of = of
    const onAnswer: OnAnswer = (engine, answer) => this.judged(engine, answer)
    this.candidate = scoredArm(results, of.suite, of.candidate, onAnswer)
    this.incumbent = of.incumbent && scoredArm(results, of.suite, of.incumbent, onAnswer)
    this.compared = new ComparisonFold(of.suite.content.primary)
  }

  /** Pages come in the order of the suite, each once. */
  async add(cases: readonly SuiteCase[], failed: Failed = new Map()): Promise<void> {
    const { candidate, incumbent } = this
    const own = await this.outcomes(candidate, cases, failed)
    const isSame = incumbent?.callable.composite === candidate.callable.composite
    const others = incumbent && (isSame ? own : await this.outcomes(incumbent, cases, failed))
    for (const [place, outcomes] of own.entries()) {
      for (const outcome of outcomes) candidate.fold.add(outcome)
      const against = others?.[place]
      if (!incumbent || !against) continue
      for (const outcome of against) incumbent.fold.add(outcome)
      this.compared.add(outcomes, against)
    }
  }

  reports(): OutcomeReports {
    const { candidate, incumbent } = this
    const comparison = incumbent && this.compared.comparison()
    return {
      candidate: candidate.fold.report(candidate.callable.composite),
      ...(incumbent ? { incumbent: incumbent.fold.report(incumbent.callable.composite) } : {}),
      ...(comparison ? { comparison } : {}),
      ...(this.judges.size === 0 ? {} : { judges: [...this.judges].map(judgeSeen) }),
    }
  }

  private judged(engine: Digest, answer: JudgeAnswer): void {
    const fold = this.judges.get(engine) ?? new EngineFold()
    this.judges.set(engine, fold)
    fold.add(pairOf(answer), answer.measuredAt)
  }

  /** Ends what scoring has started; call it once, however it went. */
  async close(): Promise<void> {
    await this.candidate.scoring.close()
    await this.incumbent?.scoring.close()
  }

  /** Outcomes by case, each by repeat; a case that was not run has none. */
  private async outcomes(
    { callable, scoring }: ScoredArm,
    cases: readonly SuiteCase[],
    failed: Failed,
  ): Promise<readonly (readonly CaseOutcome[])[]> {
    const { suite, evaluationId, judging } = this.of
    const stored = await this.results.read(keysOf(suite, callable, cases))
    const byId = new Map(cases.map((one) => [one.id, one]))
    const items = stored.flatMap(({ caseId, repeat, result }): ScoredItem[] => {
      const one = byId.get(caseId)
      return one ? [{ one, repeat, result }] : []
    })
    await judging?.ask(scoring.questions(items))
    const scored = new Map((await scoring.outcomes(items, evaluationId)).map((outcome) => [placeOf(outcome), outcome]))
    const gone = failed.get(callable.composite)
    return cases.map((one) =>
      repeatsOf(suite).flatMap((repeat) => {
        const place = placeOf({ caseId: one.id, repeat })
        const outcome = scored.get(place)
        if (outcome) return [outcome]
        return gone?.has(place) ? [scoring.failure(one, repeat)] : []
      }),
    )
  }
}

function scoredArm(
  { judgements }: ResultStore,
  suite: LoadedSuite,
  ...[callable, onAnswer]: [Callable, OnAnswer]
): ScoredArm {
  return {
    callable,
    scoring: createScoring(suite, callable, judgements, onAnswer),
    fold: new ArmFold(scoredSuite(suite)),
  }
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
  const incumbent = await loadCallable(deps.catalog, before.composite)
  const candidate = await loadCallable(deps.catalog, after.composite)
  const outcomes = new StoredOutcomes(deps.results, { suite, candidate, incumbent, evaluationId: '' })
  try {
    for await (const cases of casePages(deps.catalog, suite)) await outcomes.add(cases)
  } finally {
    await outcomes.close()
  }
  const reports = outcomes.reports()
  if (!reports.comparison || !reports.incumbent)
    throw new SluiceError('not_found', 'No case of the suite has a stored result of both.', { before, after })
  return { suite: before.suite, before: reports.incumbent, after: reports.candidate, comparison: reports.comparison }
}
