import { assert } from '../errors'
import { testOfSums } from '../stats/grouped'
import type { CaseList, CaseOutcome, Comparison } from './evaluation'
import { GroupFold, LatencyFold, UsageFold } from './outcome-folds'
import { type OutcomePair, OutputShiftFold } from './output-shift'

/** Cases named in a list of fixed or broken ones; the count tells how many there are. */
const maxListedCases = 50
/** Of the longer one's time of measuring: the arms share as much, or met the provider and this machine in another mood. */
const minSharedTime = 0.5
/** Fewer measured calls than this have no 95th percentile worth comparing. */
const minLatencies = 20

const difference = 'difference'

/** Both arms side by side, from one case after the other. */
export class ComparisonFold {
  private pairs = 0
  private readonly differences = new GroupFold()
  private readonly fixed: string[] = []
  private readonly broken: string[] = []
  private readonly shift = new OutputShiftFold()
  private readonly candidate = { usage: new UsageFold(), latency: new LatencyFold() }
  private readonly incumbent = { usage: new UsageFold(), latency: new LatencyFold() }
  private readonly primary: string

  constructor(primary: string) {
    this.primary = primary
  }

  /** Every outcome of one case; those that only one arm has are left out. */
  add(candidate: readonly CaseOutcome[], incumbent: readonly CaseOutcome[]): void {
    let sum = 0
    for (const own of candidate) {
      const other = incumbent.find(({ repeat }) => repeat === own.repeat)
      if (other) sum += this.pair({ candidate: own, incumbent: other })
    }
    const caseId = candidate[0]?.caseId
    if (caseId === undefined || sum === 0) return
    if (sum > 0) this.fixed.push(caseId)
    else this.broken.push(caseId)
  }

  comparison(): Comparison | undefined {
    const test = testOfSums(this.differences.of(difference))
    if (test === undefined) return undefined
    const [own, other] = [this.candidate.usage.report(), this.incumbent.usage.report()]
    const tokens = (usage: typeof own) => usage.tokens.inputMean + usage.tokens.outputMean
    return {
      pairs: this.pairs,
      difference: { ...test, lower: Math.max(-1, test.lower), upper: Math.min(1, test.upper) },
      fixed: caseList(this.fixed),
      broken: caseList(this.broken),
      shifts: this.shift.shifts(),
      comparable: this.shift.comparable(),
      ...ratioOf('tokensRatio', tokens(own), tokens(other)),
      ...ratioOf('costRatio', own.cost.uncachedMeanUsd, other.cost.uncachedMeanUsd),
      ...this.latencyRatio(),
    }
  }

  private pair(pair: OutcomePair): number {
    const { candidate, incumbent } = pair
    const moved = this.difference(pair)
    this.pairs += 1
    this.differences.add(candidate.group, { [difference]: moved })
    this.shift.add(pair)
    if (candidate.status === 'ok' && incumbent.status === 'ok') {
      for (const arm of ['candidate', 'incumbent'] as const) {
        this[arm].usage.add(pair[arm])
        this[arm].latency.add(pair[arm])
      }
    }
    return moved ?? 0
  }

  /** Undefined where one of the arms has no evidence on the case. */
  private difference(pair: OutcomePair): number | undefined {
    const scores = (['candidate', 'incumbent'] as const).map((arm) =>
      pair[arm].unscored?.[this.primary] === undefined ? (pair[arm].scores[this.primary] ?? 0) : undefined,
    )
    const [own, other] = scores
    return own === undefined || other === undefined ? undefined : own - other
  }

  /** Absent where too few calls were measured, or where the arms were not called side by side. */
  private latencyRatio(): Pick<Comparison, 'latencyP95Ratio'> {
    const [own, other] = [this.candidate.latency, this.incumbent.latency]
    if (own.count < minLatencies) return {}
    const sharedMs = Math.min(own.to, other.to) - Math.max(own.from, other.from)
    if (sharedMs < minSharedTime * Math.max(own.to - own.from, other.to - other.from)) return {}
    return ratioOf('latencyP95Ratio', own.quantile(0.95) ?? 0, other.quantile(0.95) ?? 0)
  }
}

const caseList = (cases: readonly string[]): CaseList => ({
  count: cases.length,
  cases: cases.toSorted().slice(0, maxListedCases),
})

function ratioOf(name: string, candidate: number, incumbent: number): Readonly<Record<string, number>> {
  assert(Number.isFinite(candidate) && Number.isFinite(incumbent), `${name} of finite means`)
  return incumbent > 0 ? { [name]: candidate / incumbent } : {}
}
