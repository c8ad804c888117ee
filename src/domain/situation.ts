import type { Assessment, AssessmentInput, GuardrailVerdict } from './guardrail'
import type { NoEvidenceAction } from './policy'
import type { StratumStats } from './telemetry'

export type Action = Assessment['action']

const strength: Readonly<Record<Action, number>> = { continue: 0, pause: 1, rollback: 2 }
/** What several verdicts ask for together. */
export const strongest = (actions: readonly Action[]): Action =>
  actions.reduce((high, next) => (strength[next] > strength[high] ? next : high), 'continue' as Action)

/** What the policy's answer to missing evidence asks for. */
export const noEvidenceActions: Readonly<Record<NoEvidenceAction, Action>> = {
  extend: 'continue',
  pause: 'pause',
  rollback: 'rollback',
  ask: 'pause',
}

/** A verdict, and what it asks for now. */
export interface Judged {
  readonly verdict: GuardrailVerdict
  readonly action: Action
}

/** A failed verdict asks for what its role says. */
export function judgedByFail(verdict: GuardrailVerdict): Judged {
  return { verdict, action: verdict.verdict !== 'fail' || verdict.role === 'notify' ? 'continue' : verdict.role }
}

/** What all relative guardrails of one assessment share. */
export interface Situation {
  readonly input: AssessmentInput
  readonly strata: readonly StratumStats[]
  readonly alpha: number
  readonly ratio: GuardrailVerdict
  readonly sample: SampleState
  readonly unitNoun: string
}

/** Whether the step in force has the units it needs. */
export type SampleState = 'none' | 'short' | 'met'

/**
 * Each *tested* arm needs the minimum: the incumbent's only where some stratum of the step compares it. A minimum of zero
 * is met by nothing.
 */
export function sampleState(input: AssessmentInput, strata: readonly StratumStats[]): SampleState {
  const { step } = input
  if (step === undefined) return 'none'
  const compared = input.hasIncumbent && strata.some((stratum) => isOfStep(stratum, step))
  const fewest = compared ? Math.min(step.units.candidate, step.units.incumbent) : step.units.candidate
  if (fewest >= step.minimumSample) return 'met'
  return step.units.candidate + step.units.incumbent > 0 ? 'short' : 'none'
}

const isOfStep = (stratum: StratumStats, step: NonNullable<AssessmentInput['step']>): boolean =>
  stratum.environment === step.environment && step.seqs.includes(stratum.seq)

/** Where there is nothing to compare with: no incumbent at all, or everyone exposed has the candidate. */
export function notApplicable(
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
