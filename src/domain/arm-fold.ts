import { shareOfSums } from '../stats/grouped'
import { BranchFold } from './branch-fold'
import { EngineFold } from './engine-fold'
import type { ArmReport, CaseOutcome } from './evaluation'
import { type Figure, FigureFold } from './figures'
import { GroupFold, LatencyFold, UsageFold } from './outcome-folds'
import { classifierName, pairOf } from './provider-change'
import type { Digest } from './version'

/** What a report needs to know of its suite: the names of its scorers, and which of them is the accuracy. */
export interface ScoredSuite {
  readonly scorers: readonly string[]
  readonly primary: string
  /** Scorer → its figures over all cases, from the names of the parts that were met. */
  readonly figures?: Readonly<Record<string, (parts: readonly string[]) => readonly Figure[]>>
}

const valid = '\u0000valid'
const passed = '\u0000passed'

/**
 * One arm on the suite, from outcomes as they come: no output is kept, so that memory grows by a few numbers a case.
 * The order of the outcomes changes no more than the rounding of sums.
 */
export class ArmFold {
  private results = 0
  private errors = 0
  private fromStore = 0
  private readonly shares = new GroupFold()
  private readonly usage = new UsageFold()
  private readonly latency = new LatencyFold()
  private readonly engines = new EngineFold()
  private readonly branches: BranchFold
  private readonly figures = new Map<string, FigureFold>()
  private readonly unscored = new Map<string, number>()
  private readonly suite: ScoredSuite

  constructor(suite: ScoredSuite) {
    this.suite = suite
    this.branches = new BranchFold(suite.primary)
  }

  add(outcome: CaseOutcome): void {
    const shares = { [passed]: outcome.undecided ? undefined : Number(outcome.passed), [valid]: Number(outcome.valid) }
    this.shares.add(outcome.group, { ...this.scoresOf(outcome), ...shares })
    for (const [name, parts] of Object.entries(outcome.parts ?? {})) {
      const fold = this.figures.get(name) ?? new FigureFold()
      this.figures.set(name, fold)
      fold.add(outcome.group, parts)
    }
    this.results += 1
    if (outcome.fromStore) this.fromStore += 1
    if (outcome.status === 'error') {
      this.errors += 1
      return
    }
    this.usage.add(outcome)
    this.latency.add(outcome)
    this.see(outcome)
    this.branches.add(outcome)
  }

  report(composite: Digest): ArmReport {
    const scoreOf = (name: string) => shareOfSums(this.shares.of(name))
    return {
      composite,
      results: this.results,
      errors: this.errors,
      fromStore: this.fromStore,
      accuracy: scoreOf(this.suite.primary),
      scores: Object.fromEntries(this.suite.scorers.map((name) => [name, scoreOf(name)])),
      passed: scoreOf(passed),
      schemaCompliance: scoreOf(valid),
      ...this.figureReport(),
      ...(this.unscored.size === 0 ? {} : { unscored: Object.fromEntries(this.unscored) }),
      ...this.usage.report(),
      ...this.latencyReport(),
      engines: this.engines.report(),
      ...this.branches.report(),
    }
  }

  /** A case without an answer scores 0; one without evidence has no score. */
  private scoresOf({ scores, unscored = {} }: CaseOutcome): Readonly<Record<string, number | undefined>> {
    const entries = this.suite.scorers.map((name): [string, number | undefined] => {
      if (!Object.hasOwn(unscored, name)) return [name, scores[name] ?? 0]
      this.unscored.set(name, (this.unscored.get(name) ?? 0) + 1)
      return [name, undefined]
    })
    return Object.fromEntries(entries)
  }

  private figureReport(): Pick<ArmReport, 'figures'> {
    const figures = this.suite.scorers.flatMap((name) => {
      const figuresOf = this.suite.figures?.[name]
      return figuresOf ? (this.figures.get(name)?.estimates(name, figuresOf) ?? []) : []
    })
    return figures.length === 0 ? {} : { figures }
  }

  private see(outcome: CaseOutcome): void {
    const { branch, classifier, measuredAt } = outcome
    this.engines.add({ ...pairOf(outcome), ...(branch ? { candidate: branch.candidate } : {}) }, measuredAt)
    if (classifier) this.engines.add({ ...classifier, candidate: classifierName }, measuredAt)
  }

  private latencyReport(): Pick<ArmReport, 'latency'> {
    const { from, to } = this.latency
    const [p50Ms, p95Ms] = [this.latency.quantile(0.5), this.latency.quantile(0.95)]
    return p50Ms === undefined || p95Ms === undefined ? {} : { latency: { p50Ms, p95Ms, from, to } }
  }
}
