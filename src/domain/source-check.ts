import type { SourceShare } from './live-evidence'
import { type QualityStats, qualityOf, qualityStatsOf } from './quality'
import type { Judged, Situation } from './situation'
import type { ArmStats, BreakerWindow, ClosedValueName, EventName, Moments, StratumStats } from './telemetry'
import { armStatsOf, type Totals } from './telemetry-fold'

/** From this many sources of a kind on, none of them can move a release back alone. */
export const fewestSources = 3
const maxNamed = 3

type JudgeAll = (situation: Situation) => readonly Judged[]

/**
 * Leaves every source out once. A rollback that would not be asked for without some one of three or more sources pauses
 * instead and names it: one key must not be able to forge a spike, nor one broken process to take a release back for all.
 * Conversations of slices that are exposed by tenant are left whole: their unit has many sources.
 */
export function checkSources(situation: Situation, judgeAll: JudgeAll): readonly Judged[] {
  const judged = judgeAll(situation)
  const sources = judged.some(({ action }) => action === 'rollback') ? checkable(situation) : []
  if (sources.length === 0) return judged
  const without = sources.map((source) => ({ source, judged: judgeAll(withoutSource(situation, source)) }))
  return judged.map((one, index) => {
    if (one.action !== 'rollback' || one.verdict.verdict !== 'fail') return one
    const needed = without
      .filter((row) => row.judged[index]?.action !== 'rollback')
      .map(({ source, judged: rest }) => ({ source, left: rest[index]?.verdict.statistic ?? 0 }))
      .sort((left, right) => left.left - right.left)
    if (needed.length === 0) return one
    const names = needed.slice(0, maxNamed).map(({ source }) => `${source.kind} ${source.name}`)
    const text = `${one.verdict.text}; not so without ${names.join(', nor without ')}`
    return { verdict: { ...one.verdict, role: 'pause', reason: 'one_reporter', text }, action: 'pause' }
  })
}

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
  return { ...situation, strata, input: { ...situation.input, windows } }
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
