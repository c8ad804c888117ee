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
  const { candidate, incumbent } = sampleUnits(input, step, strata)
  const compared = input.hasIncumbent && strata.some((stratum) => isOfStep(stratum, step))
  const fewest = compared ? Math.min(candidate, incumbent) : candidate
  if (fewest >= step.minimumSample) return 'met'
  return candidate + incumbent > 0 ? 'short' : 'none'
}

/**
 * What counts for the minimum of a step. Where something of it is compared, that alone: a whole slice that has the candidate
 * anyway says nothing of harm, however many conversations it has.
 */
export function sampleUnits(
  { hasIncumbent }: AssessmentInput,
  step: NonNullable<AssessmentInput['step']>,
  strata: readonly StratumStats[],
): { readonly candidate: number; readonly incumbent: number } {
  const own = hasIncumbent ? strata.filter((stratum) => isOfStep(stratum, step)) : []
  if (own.length === 0) return step.units
  const sum = (arm: 'candidate' | 'incumbent') => own.reduce((total, stratum) => total + stratum[arm].units, 0)
  return { candidate: sum('candidate'), incumbent: sum('incumbent') }
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
