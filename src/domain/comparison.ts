import { assertNever } from '../errors'
import { logEvidenceAbove, logEvidenceBelow } from '../stats/asymptotic-confidence-sequence'
import { logMeanExp } from '../stats/log-space'
import { type MeanStratum, mostlyTreated, stratifiedDifference } from '../stats/mean-difference'
import type { SampleMoments } from '../stats/moments'
import { type EventStratum, logEvalueRatioAbove, logEvalueRatioBelow } from '../stats/rate-ratio'
import type { MetricStatistic } from './metric'
import { type QualityStats, qualityOf } from './quality'
import type { ArmStats, ClosedValueName, Moments, StratumStats } from './telemetry'

/** What the strata say about one metric, candidate against incumbent at the same time. */
export interface Comparison {
  /** Stratum-weighted estimates (weights n ρ (1 − ρ)), so that a ramp does not mix times; absent without units. */
  readonly candidate?: number
  readonly incumbent?: number
  /** Units the estimates rest on. */
  readonly units: { readonly candidate: number; readonly incumbent: number }
  /** log evidence that the candidate is worse than the margin; alarms at `logThreshold`. */
  readonly logEvidence: number
  readonly logThreshold: number
  /** `mean_only`: only the raw mean alarms, and most evidence is from shares over one half, where it is unreliable. */
  readonly worse: 'no' | 'yes' | 'mean_only'
  /** The values are told by applications, and so of some units only: `units` counts those. */
  readonly told?: true
  /** The candidate is shown to be within the margin. */
  readonly nonInferior: boolean
}

export interface ComparisonLevels {
  /** Relative margin tolerated. */
  readonly margin: number
  /** Level of this guardrail's alarm: its part of the policy's alpha. */
  readonly alpha: number
  /** Level of the certificate of non-inferiority. All guardrails must hold one, so it is not split. */
  readonly certificateAlpha: number
}

/** Strata with a concurrent control: the only ones that are ever tested. */
export const testedStrata = (strata: readonly StratumStats[]): readonly StratumStats[] =>
  strata.filter(({ share }) => share > 0 && share < 1)

/** Compares one metric over strata with 0 < share < 1. Pure and total: no count makes it NaN or infinite. */
export function compare(
  statistic: MetricStatistic,
  strata: readonly StratumStats[],
  levels: ComparisonLevels,
): Comparison {
  switch (statistic.kind) {
    case 'event': {
      const { event } = statistic
      return compareEvents(strata, levels, { failed: (arm) => arm.events[event], of: (arm) => arm.units })
    }
    case 'mean':
      return compareMeans(statistic.value, strata, levels)
    case 'failures': {
      const told = (arm: ArmStats): QualityStats => qualityOf(arm, statistic.metric)
      const counts = { failed: (arm: ArmStats) => told(arm).failed, of: (arm: ArmStats) => told(arm).n }
      return { ...compareEvents(strata, levels, counts), told: true }
    }
    case 'told_mean':
      return { ...compareToldMeans(statistic, strata, levels), told: true }
    default:
      return assertNever(statistic)
  }
}

/** Units of an arm that count against it, and those they are told as a share of: the test needs the former alone. */
interface Counted {
  readonly failed: (arm: ArmStats) => number
  readonly of: (arm: ArmStats) => number
}

function compareEvents(strata: readonly StratumStats[], levels: ComparisonLevels, { failed, of }: Counted): Comparison {
  const counts: EventStratum[] = strata.map(({ share, candidate, incumbent }) => ({
    a: failed(incumbent),
    b: failed(candidate),
    share,
  }))
  const ratio = 1 + levels.margin
  const logEvidence = logEvalueRatioAbove(counts, ratio)
  const logThreshold = -Math.log(levels.alpha)
  return {
    ...estimates(strata, (arm) => ({ n: of(arm), sum: failed(arm) })),
    logEvidence,
    logThreshold,
    worse: logEvidence >= logThreshold ? 'yes' : 'no',
    nonInferior: logEvalueRatioBelow(counts, ratio) >= -Math.log(levels.certificateAlpha),
  }
}

/**
 * Two alarms share the guardrail's alpha: the mean itself, and the mean of logarithms, which finds a shift of the whole
 * distribution in half the time but not a fatter tail. Non-inferiority is wanted of both: skewed costs make the raw mean of
 * a small candidate arm look low.
 */
function compareMeans(value: ClosedValueName, strata: readonly StratumStats[], levels: ComparisonLevels): Comparison {
  const ratio = 1 + levels.margin
  const alpha = levels.alpha / 2
  const raw: MeanStratum[] = strata.map(({ share, candidate, incumbent }) => ({
    a: incumbent.closed[value],
    b: candidate.closed[value],
    share,
  }))
  const logs: MeanStratum[] = strata.map(({ share, candidate, incumbent }) => ({
    a: logMoments(incumbent.closed[value]),
    b: logMoments(candidate.closed[value]),
    share,
  }))
  const rawDifference = stratifiedDifference(raw, ratio)
  const logDifference = stratifiedDifference(logs, 1, Math.log(ratio))
  const rawEvidence = logEvidenceAbove(rawDifference, alpha)
  const logEvidence = logEvidenceAbove(logDifference, alpha)
  const logThreshold = -Math.log(alpha)
  const meanWorse = rawEvidence >= logThreshold
  const wholeWorse = logEvidence >= logThreshold || (meanWorse && !mostlyTreated(raw))
  const certificate = -Math.log(levels.certificateAlpha)
  const nonInferior =
    logEvidenceBelow(rawDifference, levels.certificateAlpha) >= certificate &&
    logEvidenceBelow(logDifference, levels.certificateAlpha) >= certificate
  return {
    ...estimates(strata, (arm) => arm.closed[value]),
    logEvidence: Math.max(rawEvidence, logEvidence),
    logThreshold,
    worse: wholeWorse ? 'yes' : meanWorse ? 'mean_only' : 'no',
    nonInferior,
  }
}

/**
 * Values of any sign, so logarithms say nothing: the raw mean alone, at the whole level. Where lower is worse both sides are
 * turned round. The margin is a share of the distance of the incumbent's mean from zero: mB may be up to mA + m |mA|.
 */
function compareToldMeans(
  { metric, worse }: Extract<MetricStatistic, { kind: 'told_mean' }>,
  strata: readonly StratumStats[],
  { margin, alpha, certificateAlpha }: ComparisonLevels,
): Comparison {
  const sign = worse === 'higher' ? 1 : -1
  const turned = (arm: ArmStats): SampleMoments => {
    const { n, sum, sumSquares } = qualityOf(arm, metric)
    return { n, sum: sign * sum, sumSquares }
  }
  const rows: MeanStratum[] = strata.map(({ share, candidate, incumbent }) => {
    return { a: turned(incumbent), b: turned(candidate), share }
  })
  const [more, less] = [stratifiedDifference(rows, 1 + margin), stratifiedDifference(rows, 1 - margin)]
  // mB > mA + m |mA| says both; the opposite contradicts one of them, and the mean of two e-values is an e-value.
  const logEvidence = Math.min(logEvidenceAbove(more, alpha), logEvidenceAbove(less, alpha))
  const below = logMeanExp([more, less].map((difference) => logEvidenceBelow(difference, certificateAlpha)))
  const logThreshold = -Math.log(alpha)
  const isWorse = logEvidence >= logThreshold
  return {
    ...estimates(strata, (arm) => qualityOf(arm, metric)),
    logEvidence,
    logThreshold,
    worse: !isWorse ? 'no' : mostlyTreated(rows) ? 'mean_only' : 'yes',
    nonInferior: below >= -Math.log(certificateAlpha),
  }
}

const logMoments = ({ n, logSum, logSumSquares }: Moments): SampleMoments => ({
  n,
  sum: logSum,
  sumSquares: logSumSquares,
})

/** Means by arm over the strata that hold both arms, with the weights of the test; else each arm's own mean. */
function estimates(
  strata: readonly StratumStats[],
  sample: (arm: ArmStats) => Pick<SampleMoments, 'n' | 'sum'>,
): Pick<Comparison, 'candidate' | 'incumbent' | 'units'> {
  const totals = { weight: 0, candidate: 0, incumbent: 0 }
  const pooled = { candidate: { n: 0, sum: 0 }, incumbent: { n: 0, sum: 0 } }
  for (const stratum of strata) {
    const candidate = sample(stratum.candidate)
    const incumbent = sample(stratum.incumbent)
    pooled.candidate = { n: pooled.candidate.n + candidate.n, sum: pooled.candidate.sum + candidate.sum }
    pooled.incumbent = { n: pooled.incumbent.n + incumbent.n, sum: pooled.incumbent.sum + incumbent.sum }
    if (!(candidate.n > 0 && incumbent.n > 0)) continue
    const weight = (candidate.n + incumbent.n) * stratum.share * (1 - stratum.share)
    totals.weight += weight
    totals.candidate += (weight * candidate.sum) / candidate.n
    totals.incumbent += (weight * incumbent.sum) / incumbent.n
  }
  const units = { candidate: pooled.candidate.n, incumbent: pooled.incumbent.n }
  const both = totals.weight > 0
  const candidate = both ? totals.candidate / totals.weight : pooled.candidate.sum / pooled.candidate.n
  const incumbent = both ? totals.incumbent / totals.weight : pooled.incumbent.sum / pooled.incumbent.n
  return {
    units,
    ...(Number.isFinite(candidate) && { candidate }),
    ...(Number.isFinite(incumbent) && { incumbent }),
  }
}
