import type { SourceShare } from './live-evidence'
import { type QualityStats, qualityOf, qualityStatsOf } from './quality'
import type { Judged, Situation } from './situation'
import type { ArmStats, BreakerWindow, ClosedValueName, EventName, Moments, StratumStats } from './telemetry'
import { armStatsOf, type Totals } from './telemetry-fold'
import { judgeRatio } from './traffic-ratio'

/** From this many sources of a kind on, none of them can move a release back alone. */
export const fewestSources = 3
const maxNamed = 3

type JudgeAll = (situation: Situation) => readonly Judged[]

/**
 * Leaves every source out once. A rollback that would not be asked for without some one of three or more sources pauses
 * instead and names it: one key must not be able to forge a spike, nor one broken process to take a release back for all.
 * Where none is asked for, one that would be without some source pauses too: nor must one key be able to hide harm.
 * Conversations of slices that are exposed by tenant are left whole: their unit has many sources.
 */
export function checkSources(situation: Situation, judgeAll: JudgeAll): readonly Judged[] {
  const judged = judgeAll(situation)
  const sources = checkable(situation)
  if (sources.length === 0) return judged
  const without = sources.map((source) => ({ source, judged: judgeAll(withoutSource(situation, source)) }))
  const of = (index: number): readonly Without[] =>
    without.flatMap(({ source, judged: rest }) => {
      const own = rest[index]
      return own === undefined ? [] : [{ source, rest: own }]
    })
  return judged.some(isHarm)
    ? judged.map((one, index) => (isHarm(one) ? restingOnOne(one, of(index)) : one))
    : judged.map((one, index) => hiddenByOne(one, of(index)))
}

/** What is said of one guardrail where one source is left out. */
interface Without {
  readonly source: SourceShare
  readonly rest: Judged
}

const isHarm = ({ action, verdict }: Judged): boolean => action === 'rollback' && verdict.verdict === 'fail'

function restingOnOne(one: Judged, without: readonly Without[]): Judged {
  const needed = without.filter(({ rest }) => rest.action !== 'rollback').sort(byEvidence)
  if (needed.length === 0) return one
  return pausing(one, `${one.verdict.text}; not so without ${namesOf(needed, ', nor without ')}`)
}

/**
 * Of comparisons alone: a breaker's rate is of whoever asks most, and each process that fails by itself stands behind a
 * larger one that does not.
 */
function hiddenByOne(one: Judged, without: readonly Without[]): Judged {
  const harmed = without
    .filter(({ rest }) => isHarm(rest) && rest.verdict.reason !== 'absolute_limit')
    .sort((left, right) => byEvidence(right, left))
  const [gravest] = harmed
  if (gravest === undefined || one.action === 'rollback') return one
  const rest = gravest.rest.verdict.text
  return pausing(one, `${one.verdict.text}; worse without ${namesOf(harmed, ', also without ')}: ${rest}`)
}

const byEvidence = (left: Without, right: Without): number =>
  (left.rest.verdict.statistic ?? 0) - (right.rest.verdict.statistic ?? 0)

const namesOf = (rows: readonly Without[], between: string): string =>
  [...new Set(rows.map(({ source }) => `${source.kind} ${source.name}`))].slice(0, maxNamed).join(between)

const pausing = ({ verdict }: Judged, text: string): Judged => ({
  verdict: { ...verdict, verdict: 'fail', role: 'pause', reason: 'one_reporter', text },
  action: 'pause',
})

/** The sources of each kind of which enough have told something that counts. */
function checkable({ input }: Situation): readonly SourceShare[] {
  const telling = (input.sources ?? []).filter(
    ({ lost, windows }) => lost.some(({ totals }) => hasTold(totals)) || windows.some(({ requests }) => requests > 0),
  )
  return (['key', 'reporter'] as const).flatMap((kind) => {
    const those = telling.filter((source) => source.kind === kind)
    return those.length >= fewestSources ? those : []
  })
}

/** Of units, or of a custom metric of units that others told of. */
const hasTold = (totals: Totals): boolean =>
  (totals.units ?? 0) > 0 || Object.values(qualityStatsOf(totals).quality ?? {}).some(({ n }) => n > 0)

function withoutSource(situation: Situation, source: SourceShare): Situation {
  const windows = situation.input.windows.map((window, index) => minusWindow(window, source.windows[index]))
  const strata = situation.strata.map((stratum) => (stratum.by === 'tenant' ? stratum : minusStratum(stratum, source)))
  // Traffic that fits its shares need not fit them without one source; only a mismatch may be the work of one.
  const { ratio: whole } = situation
  const ratio = whole.reason === 'ratio_mismatch' ? judgeRatio(situation.input, strata) : whole
  return { ...situation, strata, ratio, input: { ...situation.input, windows } }
}

const minusWindow = (window: BreakerWindow, lost: SourceShare['windows'][number] | undefined): BreakerWindow => ({
  ...window,
  requests: Math.max(0, window.requests - (lost?.requests ?? 0)),
  errors: Math.max(0, window.errors - (lost?.errors ?? 0)),
})

function minusStratum(stratum: StratumStats, source: SourceShare): StratumStats {
  const own = source.lost.filter(
    ({ environment, seq, slice }) =>
      environment === stratum.environment && seq === stratum.seq && slice === stratum.slice,
  )
  const rest = (name: 'candidate' | 'incumbent'): ArmStats =>
    own.filter(({ arm }) => arm === name).reduce((arm, { totals }) => minusArm(arm, totals), stratum[name])
  return { ...stratum, candidate: rest('candidate'), incumbent: rest('incumbent') }
}

/** What the tests look at; the totals that are only shown stay. */
function minusArm(arm: ArmStats, totals: Totals): ArmStats {
  const lost = armStatsOf(totals)
  const events = Object.entries(arm.events).map(([name, count]) => [name, less(count, lost.events[name as EventName])])
  const closed = Object.entries(arm.closed).map(([name, moments]) => [
    name,
    minusMoments(moments, lost.closed[name as ClosedValueName]),
  ])
  return {
    ...arm,
    units: less(arm.units, lost.units),
    events: Object.fromEntries(events) as ArmStats['events'],
    closed: Object.fromEntries(closed) as ArmStats['closed'],
    ...(arm.quality === undefined ? {} : { quality: minusQuality(arm.quality, lost) }),
  }
}

function minusQuality(whole: NonNullable<ArmStats['quality']>, lost: ArmStats): Readonly<Record<string, QualityStats>> {
  return Object.fromEntries(
    Object.entries(whole).map(([metric, stats]) => {
      const part = qualityOf(lost, metric)
      const n = less(stats.n, part.n)
      const sum = n === 0 ? 0 : stats.sum - part.sum
      const sumSquares = n === 0 ? 0 : Math.max(stats.sumSquares - part.sumSquares, (sum * sum) / n)
      return [metric, { n, failed: less(stats.failed, part.failed), sum, sumSquares }]
    }),
  )
}

const less = (whole: number, part: number): number => Math.max(0, whole - part)

/** Squares are kept large enough for a variance of zero: differences of sums lose the last digits. */
function minusMoments(whole: Moments, part: Moments): Moments {
  const n = less(whole.n, part.n)
  if (n === 0) return { n: 0, sum: 0, sumSquares: 0, logSum: 0, logSumSquares: 0 }
  const sum = whole.sum - part.sum
  const logSum = whole.logSum - part.logSum
  return {
    n,
    sum,
    sumSquares: Math.max(whole.sumSquares - part.sumSquares, (sum * sum) / n),
    logSum,
    logSumSquares: Math.max(whole.logSumSquares - part.logSumSquares, (logSum * logSum) / n),
  }
}
