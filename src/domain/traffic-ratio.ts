import { evalueOf } from '../stats/log-space'
import { logEvalueRatioMismatch } from '../stats/sample-ratio'
import type { AssessmentInput, GuardrailVerdict } from './guardrail'
import { notApplicable } from './situation'
import type { StratumStats } from './telemetry'
import { formatMargin } from './verdict-text'

/** Level of the sample-ratio check. It is a gate, not a guardrail, and takes nothing from the policy's alpha. */
export const sampleRatioAlpha = 0.001

/** Traffic served against traffic intended. A mismatch voids every comparison: whoever is missing may be the harmed. */
export function judgeRatio(input: AssessmentInput, strata: readonly StratumStats[]): GuardrailVerdict {
  const base = { name: 'sample_ratio', role: 'pause' } as const
  const unfit = notApplicable(input, strata)
  if (unfit) return { ...base, ...unfit }
  const units = strata.map(({ share, candidate, incumbent }) => ({ a: incumbent.units, b: candidate.units, share }))
  const seen = units.reduce((sum, { a, b }) => sum + a + b, 0)
  if (!(seen > 0)) {
    return { ...base, verdict: 'no_evidence', reason: 'no_traffic', text: 'no traffic to compare with its shares yet' }
  }
  const candidate = units.reduce((sum, { b }) => sum + b, 0) / seen
  const intended = units.reduce((sum, { a, b, share }) => sum + (a + b) * share, 0) / seen
  const statistic = evalueOf(logEvalueRatioMismatch(units))
  const threshold = 1 / sampleRatioAlpha
  const mismatch = statistic >= threshold
  const shares = `the candidate has ${formatMargin(candidate)} of the traffic, intended were ${formatMargin(intended)}`
  return {
    ...base,
    verdict: mismatch ? 'no_evidence' : 'pass',
    reason: mismatch ? 'ratio_mismatch' : 'within_limit',
    candidate,
    statistic,
    threshold,
    text: mismatch ? `${shares}: no comparison can be trusted until the cause is known` : `${shares}: it fits`,
  }
}
