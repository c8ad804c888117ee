import { evalueOf } from '../stats/log-space'
import { type Comparison, compare } from './comparison'
import type { GuardrailVerdict, VerdictReason } from './guardrail'
import { factsOf, isExceedance } from './metric'
import type { GuardrailPolicy, Policy } from './policy'
import {
  type Action,
  type Judged,
  judgedByFail,
  noEvidenceActions,
  notApplicable,
  type Situation,
  sampleUnits,
} from './situation'
import { describeComparison, formatMargin } from './verdict-text'

/** The level of each relative guardrail and each watched output: the policy's alpha, split evenly. */
export const guardrailAlpha = (policy: Pick<Policy, 'alpha' | 'guardrails' | 'outputs'>): number =>
  policy.alpha / Math.max(1, policy.guardrails.length + (policy.outputs?.length ?? 0))

/** One metric of the policy, candidate against incumbent. */
export function judgeRelative(guardrail: GuardrailPolicy, situation: Situation): Judged {
  const facts = factsOf(guardrail)
  const base = { name: guardrail.metric, role: guardrail.role }
  const unfit = notApplicable(situation.input, situation.strata)
  if (unfit) return { verdict: { ...base, ...unfit }, action: 'continue' }
  const comparison = compare(facts.statistic, situation.strata, {
    margin: guardrail.margin,
    alpha: situation.alpha,
    certificateAlpha: situation.input.policy.alpha,
  })
  const measured = {
    ...base,
    ...(comparison.candidate !== undefined && { candidate: comparison.candidate }),
    ...(comparison.incumbent !== undefined && { incumbent: comparison.incumbent }),
    statistic: evalueOf(comparison.logEvidence),
    threshold: Math.exp(comparison.logThreshold),
  }
  const description = describeComparison(facts, comparison, situation.unitNoun)
  const margin = `the margin of ${formatMargin(guardrail.margin)}`
  if (situation.ratio.reason === 'ratio_mismatch') {
    const text = `${description}: void, the traffic does not fit its shares`
    return { verdict: { ...measured, verdict: 'no_evidence', reason: 'ratio_mismatch', text }, action: 'continue' }
  }
  if (comparison.worse === 'yes') {
    const text = `${description}: worse than ${margin}`
    return judgedByFail({ ...measured, verdict: 'fail', reason: 'worse_than_incumbent', text })
  }
  if (comparison.worse === 'mean_only') {
    const role = guardrail.role === 'rollback' ? 'pause' : guardrail.role
    const text = `${description}: only the raw mean is worse than ${margin}, with most evidence from shares over 50 %`
    return judgedByFail({ ...measured, role, verdict: 'fail', reason: 'share_too_high', text })
  }
  const state = harmless(guardrail, comparison, situation)
  const action = state.verdict === 'no_evidence' ? noEvidenceAction(guardrail, state.reason, situation) : 'continue'
  const asks = action === 'pause' && guardrail.noEvidence === 'ask' ? '; the policy asks for a decision' : ''
  const text = `${description}: ${state.text(margin)}${asks}`
  return { verdict: { ...measured, verdict: state.verdict, reason: state.reason, text }, action }
}

/** What can be said where no harm is found. A fault of the evidence comes before any pass. */
function harmless(
  guardrail: GuardrailPolicy,
  comparison: Comparison,
  { input, sample, strata }: Situation,
): Pick<GuardrailVerdict, 'verdict' | 'reason'> & { readonly text: (margin: string) => string } {
  const { step, reporting } = input
  const missing = (reason: VerdictReason, text: string) => ({
    verdict: 'no_evidence' as const,
    reason,
    text: () => text,
  })
  if (reporting?.full) return missing('set_full', 'the set of conversations is full, counts no longer grow')
  if (reporting?.silent) return missing('reporters_silent', 'applications are served but do not report')
  if (comparison.nonInferior) {
    return { verdict: 'pass', reason: 'non_inferior', text: (margin) => `shown to be within ${margin}` }
  }
  if (step === undefined) return missing('no_traffic', 'no step is exposed yet')
  if (sample === 'none') return missing('no_traffic', 'no traffic in this step yet')
  if (sample !== 'met') {
    const { candidate, incumbent } = sampleUnits(input, step, strata)
    const needs = `this step has ${candidate} / ${incumbent} of the ${step.minimumSample} it needs in each arm`
    return missing('below_minimum_sample', `no harm found, but ${needs}`)
  }
  // An arm of which nobody tells anything says nothing about harm, however many conversations it has.
  const { candidate: told, incumbent: compared } = comparison.units
  const judged = input.policy.judges?.some(({ metric }) => metric === guardrail.metric)
  if (judged && reporting?.captureOff && told + compared === 0) {
    return missing('capture_off', 'its outputs are to be judged, and this lane captures none')
  }
  if (reporting?.noLimits && isExceedance(guardrail.metric)) {
    return missing('no_outcomes', 'no limit was frozen, since the incumbent had too few requests: nothing is above it')
  }
  if (comparison.told && (told === 0 || compared === 0)) {
    return missing('no_outcomes', `it needs values of both arms, and has ${told} / ${compared}`)
  }
  if (!step.bakeComplete) return missing('baking', 'no harm found so far, the step is still baking')
  return { verdict: 'pass', reason: 'sample_complete', text: () => 'no harm found, sample and bake are complete' }
}

/**
 * A step that has only begun has no evidence yet: that is waiting, not a fault. The policy's answer holds once the bake is
 * over, or at once where nobody reports. A full set pauses whatever the policy says: waiting cannot mend it, and one source
 * may fill it, which must not take a release back.
 */
function noEvidenceAction(guardrail: GuardrailPolicy, reason: VerdictReason, { input }: Situation): Action {
  if (guardrail.role === 'notify') return 'continue'
  if (reason === 'set_full') return 'pause'
  if (reason === 'reporters_silent' || input.step?.bakeComplete) return noEvidenceActions[guardrail.noEvidence]
  return 'continue'
}
