import { judgeBeforeAfter } from './before-after-guardrail'
import { judgeBreakers } from './breaker'
import { testedStrata } from './comparison'
import type { ArmSummary, Assessment, AssessmentInput, GuardrailVerdict, VerdictReason } from './guardrail'
import { judgeOutputs } from './output-guardrail'
import type { Policy } from './policy'
import { judgeProbes } from './probe-guardrail'
import { guardrailAlpha, judgeRelative } from './relative-guardrail'
import { type Judged, judgedByFail, type Situation, sampleState, strongest } from './situation'
import { checkSources } from './source-check'
import type { ArmStats } from './telemetry'
import { judgeMaxHarm } from './tenant-harm'
import { judgeRatio } from './traffic-ratio'

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
  const checked = checkSources(situation, judgeGuarded)
  const relative = checked.slice(0, input.policy.guardrails.length)
  const absolute = checked.slice(input.policy.guardrails.length)
  const ratio: Judged = {
    verdict: situation.ratio,
    action: situation.ratio.reason === 'ratio_mismatch' ? 'pause' : 'continue',
  }
  const watched = [
    ...judgeProbes(input),
    ...judgeOutputs(situation),
    ...judgeMaxHarm(situation),
    ...judgeBeforeAfter(input),
  ]
  const all = [...relative, ratio, ...absolute, ...watched, ...judgeProviders(input)]
  const waitingFor = reasonsToWait(all, situation)
  return {
    action: strongest(all.map(({ action }) => action)),
    asks: all.flatMap(({ action, verdict: { name, reason } }) => (action === 'continue' ? [] : [`${name}:${reason}`])),
    mayAdvance: input.step !== undefined && waitingFor.length === 0,
    waitingFor,
    verdicts: all.map(({ verdict }) => verdict),
    arms: {
      candidate: summarize(input.strata.map(({ candidate }) => candidate)),
      incumbent: summarize(input.strata.map(({ incumbent }) => incumbent)),
    },
  }
}

/**
 * Whether it matters who told of the evidence: where the release goes back, where it is about to go on, and where its
 * traffic does not fit. Any other look need not read that.
 */
export function restsOnSources({ step }: AssessmentInput, { action, mayAdvance, verdicts }: Assessment): boolean {
  if (action === 'rollback' || (mayAdvance && step?.bakeComplete === true)) return true
  return verdicts.some(({ name, reason }) => name === 'sample_ratio' && reason === 'ratio_mismatch')
}

/** What may take a release back: the relative guardrails in the policy's order, then the breakers. */
function judgeGuarded(situation: Situation): readonly Judged[] {
  const { policy, windows, spend } = situation.input
  return [
    ...policy.guardrails.map((guardrail) => judgeRelative(guardrail, situation)),
    ...judgeBreakers(policy.breakers, windows, spend).map(judgedByFail),
  ]
}

/** A provider that changed under a release makes its evidence void; the policy says whether the release stands still. */
function judgeProviders({ policy, providerChanges = [] }: AssessmentInput): readonly Judged[] {
  if (providerChanges.length === 0) return []
  const role = policy.onProviderChange ?? 'notify'
  const verdict = { name: 'provider', role, verdict: 'fail', reason: 'provider_changed' } as const
  return [
    { verdict: { ...verdict, text: providerChanges.join('; ') }, action: role === 'pause' ? 'pause' : 'continue' },
  ]
}

/** Faults of the evidence that no sample makes good. */
const missingEvidence: readonly VerdictReason[] = [
  'set_full',
  'reporters_silent',
  'provider_down',
  'answer_unusable',
  'no_reading',
  'no_outcomes',
  'capture_off',
]

/** Reasons against an advance, the gravest first. Guardrails that only notify never stand in the way. */
function reasonsToWait(all: readonly Judged[], { input, sample, ratio }: Situation): readonly VerdictReason[] {
  const reasons = new Set<VerdictReason>()
  const blocking = all.map(({ verdict }) => verdict).filter(({ role }) => role !== 'notify')
  const isAccepted = ({ name, reason }: GuardrailVerdict) =>
    reason === 'output_differs' && input.accepted?.includes(name) === true
  for (const verdict of blocking) if (verdict.verdict === 'fail' && !isAccepted(verdict)) reasons.add(verdict.reason)
  if (ratio.reason === 'ratio_mismatch') reasons.add('ratio_mismatch')
  // Also where nothing is compared: breakers see nothing either of what nobody tells. A step that nobody met has nothing to tell.
  if (input.reporting?.silent && hasUnits(input.step)) reasons.add('reporters_silent')
  for (const { verdict, reason } of blocking) {
    if (verdict === 'no_evidence' && missingEvidence.includes(reason)) reasons.add(reason)
  }
  const { step } = input
  if (step === undefined) reasons.add('no_traffic')
  else if (sample === 'none') reasons.add('no_traffic')
  else if (sample === 'short') reasons.add('below_minimum_sample')
  else if (!step.bakeComplete && !(step.minimumSample > 0 && allShown(blocking, input.policy))) reasons.add('baking')
  return [...reasons]
}

const hasUnits = (step: AssessmentInput['step']): boolean =>
  step !== undefined && step.units.candidate + step.units.incumbent > 0

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
