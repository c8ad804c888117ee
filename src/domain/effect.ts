import { assertNever } from '../errors'
import { meanRatioInterval } from '../stats/asymptotic-confidence-sequence'
import type { Interval } from '../stats/binomial-interval'
import { rateRatioInterval } from '../stats/rate-ratio'
import { testedStrata } from './comparison'
import type { AssessmentInput } from './guardrail'
import { factsOf, type MetricStatistic } from './metric'
import { qualityOf } from './quality'
import { guardrailAlpha } from './relative-guardrail'
import type { ArmStats, StratumStats } from './telemetry'

/** How many times the incumbent's value the candidate's is: a band that holds at all times at once. */
export interface Effect {
  readonly metric: string
  readonly lower: number
  /** Absent where the data do not bound it. */
  readonly upper?: number
}

/**
 * The band of each relative guardrail, each side at the guardrail's own level, for decision records and displays. It costs
 * some hundred times an assessment, so it is asked for when something is written or shown, not at every tick.
 */
export function effects(input: Pick<AssessmentInput, 'policy' | 'strata'>): readonly Effect[] {
  const alpha = guardrailAlpha(input.policy)
  const strata = testedStrata(input.strata)
  return input.policy.guardrails.map((guardrail) => {
    const { lower, upper } = intervalOf(factsOf(guardrail).statistic, strata, alpha)
    return { metric: guardrail.metric, lower, ...(Number.isFinite(upper) && { upper }) }
  })
}

function intervalOf(statistic: MetricStatistic, strata: readonly StratumStats[], alpha: number): Interval {
  switch (statistic.kind) {
    case 'event': {
      const { event } = statistic
      const counts = strata.map((row) => ({
        a: row.incumbent.events[event],
        b: row.candidate.events[event],
        share: row.share,
      }))
      return rateRatioInterval(counts, alpha)
    }
    case 'mean': {
      const { value } = statistic
      const samples = strata.map((row) => ({
        a: row.incumbent.closed[value],
        b: row.candidate.closed[value],
        share: row.share,
      }))
      return meanRatioInterval(samples, alpha)
    }
    case 'failures': {
      const failed = (arm: ArmStats) => qualityOf(arm, statistic.metric).failed
      const counts = strata.map(({ incumbent, candidate, share }) => {
        return { a: failed(incumbent), b: failed(candidate), share }
      })
      return rateRatioInterval(counts, alpha)
    }
    case 'told_mean': {
      const { metric } = statistic
      const samples = strata.map(({ incumbent, candidate, share }) => {
        return { a: qualityOf(incumbent, metric), b: qualityOf(candidate, metric), share }
      })
      return meanRatioInterval(samples, alpha)
    }
    default:
      return assertNever(statistic)
  }
}
