import { shareOfSums } from '../stats/grouped'
import type { ArmReport, CaseOutcome, EngineSeen } from './evaluation'
import { type Figure, FigureFold } from './figures'
import { GroupFold, LatencyFold, UsageFold } from './outcome-folds'
import type { Digest } from './version'

/** Distinct models and fingerprints that are told, and that are followed at all. */
const maxEngines = 10
const maxSeenEngines = 1_000

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
  private readonly engines = new Map<string, EngineSeen>()
  private readonly figures = new Map<string, FigureFold>()
  private readonly unscored = new Map<string, number>()
  private readonly suite: ScoredSuite

  constructor(suite: ScoredSuite) {
    this.suite = suite
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
      engines: [...this.engines.values()].sort((a, b) => b.results - a.results).slice(0, maxEngines),
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

  private see({ model = 'unknown', fingerprint = 'unknown', measuredAt }: CaseOutcome): void {
    const key = `${model}\u0000${fingerprint}`
    const seen = this.engines.get(key)
    if (!seen && this.engines.size >= maxSeenEngines) return
    this.engines.set(key, {
      model,
      fingerprint,
      results: (seen?.results ?? 0) + 1,
      from: Math.min(seen?.from ?? measuredAt, measuredAt),
      to: Math.max(seen?.to ?? measuredAt, measuredAt),
    })
  }

  private latencyReport(): Pick<ArmReport, 'latency'> {
    const { from, to } = this.latency
    const [p50Ms, p95Ms] = [this.latency.quantile(0.5), this.latency.quantile(0.95)]
    return p50Ms === undefined || p95Ms === undefined ? {} : { latency: { p50Ms, p95Ms, from, to } }
  }
}
