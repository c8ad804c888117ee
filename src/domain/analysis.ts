import { evalueOf } from '../stats/log-space'
import { logEvalueRatioMismatch } from '../stats/sample-ratio'
import { judgeBreakers } from './breaker'
import { type Comparison, compare, testedStrata } from './comparison'
import type { ArmSummary, Assessment, AssessmentInput, GuardrailVerdict, VerdictReason } from './guardrail'
import { metricNamed } from './metric'
import type { GuardrailPolicy, NoEvidenceAction, Policy } from './policy'
import type { ArmStats, StratumStats } from './telemetry'
import { describeComparison, formatMargin } from './verdict-text'

/** Level of the sample-ratio check. It is a gate, not a guardrail, and takes nothing from the policy's alpha. */
export const sampleRatioAlpha = 0.001

/** The level of each relative guardrail: the policy's alpha, split evenly. */
export const guardrailAlpha = (policy: Pick<Policy, 'alpha' | 'guardrails'>): number =>
  policy.alpha / Math.max(1, policy.guardrails.length)

type Action = Assessment['action']

/** A verdict, and what it asks for now. */
interface Judged {
  readonly verdict: GuardrailVerdict
  readonly action: Action
}

/** What all relative guardrails of one assessment share. */
interface Situation {
  readonly input: AssessmentInput
  readonly strata: readonly StratumStats[]
  readonly alpha: number
  readonly ratio: GuardrailVerdict
  readonly sample: SampleState
  readonly unitNoun: string
}

/**
 * The guardrail decision: a pure function of cumulative statistics, so it can be made by any process, again, later. It may
 * be called at every tick: the tests are valid under any number of looks. Throws `invalid_content` for a policy that
 * names an unknown metric; no count, share or moment makes it throw or yields a NaN.
 */
export function assess(input: AssessmentInput): Assessment {
  const strata = testedStrata(input.strata)
  const situation: Situation = {
    input,
    strata,
    alpha: guardrailAlpha(input.policy),
    ratio: judgeRatio(input, strata),
    sample: sampleState(input, strata),
    unitNoun: strata.length > 0 && strata.every(({ by }) => by === 'tenant') ? 'tenants' : 'conversations',
  }
  const relative = input.policy.guardrails.map((guardrail) => judgeRelative(guardrail, situation))
  const absolute = judgeBreakers(input.policy.breakers, input.windows, input.spend).map(judgedByFail)
  const ratio: Judged = {
    verdict: situation.ratio,
    action: situation.ratio.reason === 'ratio_mismatch' ? 'pause' : 'continue',
  }
  const all = [...relative, ratio, ...absolute]
  const waitingFor = reasonsToWait(all, situation)
  return {
    action: strongest(all.map(({ action }) => action)),
    mayAdvance: input.step !== undefined && waitingFor.length === 0,
    waitingFor,
    verdicts: all.map(({ verdict }) => verdict),
    arms: {
      candidate: summarize(input.strata.map(({ candidate }) => candidate)),
      incumbent: summarize(input.strata.map(({ incumbent }) => incumbent)),
    },
  }
}

/** Whether the step in force has the units it needs. */
type SampleState = 'none' | 'short' | 'met'

/**
 * Each *tested* arm needs the minimum: the incumbent's only where some stratum of the step compares it. A minimum of zero
 * is met by nothing.
 */
function sampleState(input: AssessmentInput, strata: readonly StratumStats[]): SampleState {
  const { step } = input
  if (step === undefined) return 'none'
  const compared = input.hasIncumbent && strata.some((stratum) => isOfStep(stratum, step))
  const fewest = compared ? Math.min(step.units.candidate, step.units.incumbent) : step.units.candidate
  if (fewest >= step.minimumSample) return 'met'
  return step.units.candidate + step.units.incumbent > 0 ? 'short' : 'none'
}

const isOfStep = (stratum: StratumStats, step: NonNullable<AssessmentInput['step']>): boolean =>
  stratum.environment === step.environment && step.seqs.includes(stratum.seq)

/** Traffic served against traffic intended. A mismatch voids every comparison: whoever is missing may be the harmed. */
function judgeRatio(input: AssessmentInput, strata: readonly StratumStats[]): GuardrailVerdict {
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

function notApplicable(
  input: AssessmentInput,
  strata: readonly StratumStats[],
): Pick<GuardrailVerdict, 'verdict' | 'reason' | 'text'> | undefined {
  if (!input.hasIncumbent) {
    return { verdict: 'not_applicable', reason: 'no_incumbent', text: 'there is no incumbent to compare with' }
  }
  if (strata.length === 0 && (input.step?.units.candidate ?? 0) > 0) {
    return { verdict: 'not_applicable', reason: 'no_control', text: 'everyone exposed gets the candidate: no control' }
  }
  return undefined
}

function judgeRelative(guardrail: GuardrailPolicy, situation: Situation): Judged {
  const facts = metricNamed(guardrail.metric)
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
  const state = harmless(comparison, situation)
  const text = `${description}: ${state.text(margin)}`
  return {
    verdict: { ...measured, verdict: state.verdict, reason: state.reason, text },
    action: state.verdict === 'no_evidence' ? noEvidenceAction(guardrail, state.reason, situation) : 'continue',
  }
}

/** What can be said where no harm is found. A fault of the evidence comes before any pass. */
function harmless(
  comparison: Comparison,
  { input, sample }: Situation,
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
  if (step === undefined || (sample === 'none' && step.minimumSample > 0))
    return missing('no_traffic', 'no traffic yet')
  if (sample !== 'met') {
    const { candidate, incumbent } = step.units
    const needs = `this step has ${candidate} / ${incumbent} of the ${step.minimumSample} it needs in each arm`
    return missing('below_minimum_sample', `no harm found, but ${needs}`)
  }
  if (!step.bakeComplete) return missing('baking', 'no harm found so far, the step is still baking')
  return { verdict: 'pass', reason: 'sample_complete', text: () => 'no harm found, sample and bake are complete' }
}

const noEvidenceActions: Readonly<Record<NoEvidenceAction, Action>> = {
  extend: 'continue',
  pause: 'pause',
  rollback: 'rollback',
  ask: 'pause',
}

/**
 * A step that has only begun has no evidence yet: that is waiting, not a fault. The policy's answer holds once the bake is
 * over, or at once where nobody reports. A full set pauses whatever the policy says: waiting cannot mend it.
 */
function noEvidenceAction(guardrail: GuardrailPolicy, reason: VerdictReason, { input }: Situation): Action {
  if (guardrail.role === 'notify') return 'continue'
  if (reason === 'set_full') return strongest(['pause', noEvidenceActions[guardrail.noEvidence]])
  if (reason === 'reporters_silent' || input.step?.bakeComplete) return noEvidenceActions[guardrail.noEvidence]
  return 'continue'
}

function judgedByFail(verdict: GuardrailVerdict): Judged {
  return { verdict, action: verdict.verdict !== 'fail' || verdict.role === 'notify' ? 'continue' : verdict.role }
}

const strength: Readonly<Record<Action, number>> = { continue: 0, pause: 1, rollback: 2 }
const strongest = (actions: readonly Action[]): Action =>
  actions.reduce((high, next) => (strength[next] > strength[high] ? next : high), 'continue' as Action)

/** Reasons against an advance, the gravest first. Guardrails that only notify never stand in the way. */
function reasonsToWait(all: readonly Judged[], { input, sample, ratio }: Situation): readonly VerdictReason[] {
  const reasons = new Set<VerdictReason>()
  const blocking = all.map(({ verdict }) => verdict).filter(({ role }) => role !== 'notify')
  for (const verdict of blocking) if (verdict.verdict === 'fail') reasons.add(verdict.reason)
  if (ratio.reason === 'ratio_mismatch') reasons.add('ratio_mismatch')
  for (const { reason } of blocking) if (reason === 'set_full' || reason === 'reporters_silent') reasons.add(reason)
  const { step } = input
  if (step === undefined) reasons.add('no_traffic')
  else if (sample === 'none') reasons.add('no_traffic')
  else if (sample === 'short') reasons.add('below_minimum_sample')
  else if (!step.bakeComplete && !(step.minimumSample > 0 && allShown(blocking, input.policy))) reasons.add('baking')
  return [...reasons]
}

/** Every relative guardrail that could stop the release is shown to be within its margin. */
function allShown(blocking: readonly GuardrailVerdict[], policy: Policy): boolean {
  const metrics = new Set(policy.guardrails.map(({ metric }) => metric))
  const relative = blocking.filter(({ name }) => metrics.has(name))
  return relative.length > 0 && relative.every(({ reason }) => reason === 'non_inferior')
}

/** Totals of one arm over all strata, for display: pooled over a ramp, so never a basis for a comparison. */
function summarize(arms: readonly ArmStats[]): ArmSummary {
  const total = (value: (arm: ArmStats) => number): number => arms.reduce((sum, arm) => sum + value(arm), 0)
  const requests = total((arm) => arm.requests)
  const counts = { units: total((arm) => arm.units), requests }
  if (!(requests > 0)) return counts
  return {
    ...counts,
    errorRate: total((arm) => arm.errorRequests) / requests,
    schemaFailureRate: total((arm) => arm.schemaFailureRequests) / requests,
    costPerRequestUsd: total((arm) => arm.costUsd) / requests,
    latencyMeanMs: total((arm) => arm.latencyMs) / requests,
  }
}
