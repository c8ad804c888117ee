import type { Assessment, AssessmentInput, GuardrailVerdict } from './guardrail'

/** Why a look at a release is kept: the first of a step, verdicts that changed, or evidence that grew. */
export type CheckpointCause = 'step' | 'change' | 'growth'

/** What is remembered of the looks kept so far: enough to tell whether the next one is worth keeping. */
export interface Checkpoint {
  /** 1, 2, 3, … within the release. */
  readonly number: number
  readonly because: CheckpointCause
  /** Entry at which the step in force began. */
  readonly seq: number
  /** Units of each arm that the judgement rested on. */
  readonly units: { readonly candidate: number; readonly incumbent: number }
  /** What the verdicts said, without their figures. */
  readonly verdicts: string
  /** How many were kept so far for each cause. */
  readonly kept: Readonly<Record<CheckpointCause, number>>
  /** The bound of this cause is reached: later looks of this cause are not kept. */
  readonly last?: true
}

/** Looks kept of one release, by cause. Growth by a factor meets its bound only beyond ten billion conversations. */
export const maxCheckpoints: Readonly<Record<CheckpointCause, number>> = { step: 100, change: 150, growth: 300 }

/** Kept again once an arm has so many times the units that it had when a look was last kept. */
const growthFactor = 1.15
const smallestGrowth = 10

type Look = { readonly input: AssessmentInput; readonly assessment: Assessment }

/**
 * Whether this look is to be kept, given the last one that was. Looks are kept so that another policy can be asked later
 * what it would have done: between two of them neither arm grew by more than the factor and no verdict changed.
 */
export function checkpointDue(last: Checkpoint | undefined, { input, assessment }: Look): Checkpoint | undefined {
  const seq = input.step?.seqs[0]
  if (seq === undefined) return undefined
  const units = evidenceUnits(input)
  const verdicts = whatIsSaid(assessment)
  const because = causeOf(last, { seq, units, verdicts })
  if (because === undefined) return undefined
  const before = last?.kept ?? { step: 0, change: 0, growth: 0 }
  const count = before[because] + 1
  if (count > maxCheckpoints[because]) return undefined
  const kept = { ...before, [because]: count }
  const isLast = count === maxCheckpoints[because]
  return { number: (last?.number ?? 0) + 1, because, seq, units, verdicts, kept, ...(isLast ? { last: true } : {}) }
}

function causeOf(
  last: Checkpoint | undefined,
  now: Pick<Checkpoint, 'seq' | 'units' | 'verdicts'>,
): CheckpointCause | undefined {
  if (last === undefined || last.seq !== now.seq) return 'step'
  const grew = (['candidate', 'incumbent'] as const).some(
    (arm) => now.units[arm] >= Math.max(last.units[arm] * growthFactor, last.units[arm] + smallestGrowth),
  )
  if (grew) return 'growth'
  return last.verdicts === now.verdicts ? undefined : 'change'
}

/** Everyone in the step where nobody is compared, as in a lane without incumbent. */
function evidenceUnits({ strata, step }: AssessmentInput): Checkpoint['units'] {
  if (strata.length === 0) return step?.units ?? { candidate: 0, incumbent: 0 }
  const sum = (arm: 'candidate' | 'incumbent') => strata.reduce((total, stratum) => total + stratum[arm].units, 0)
  return { candidate: sum('candidate'), incumbent: sum('incumbent') }
}

const whatIsSaid = ({ action, verdicts }: Assessment): string => [action, ...verdicts.map(saidBy)].join(', ')

/** A breaker whose window is empty says no less than one with harmless requests: quiet minutes are no news. */
function saidBy({ name, role, verdict, reason }: GuardrailVerdict): string {
  return reason === 'no_traffic' || reason === 'within_limit'
    ? `${name} ${role} quiet`
    : `${name} ${role} ${verdict} ${reason}`
}

/** How a kept look reads among the decisions. */
export function checkpointText({ because, units, last }: Checkpoint): string {
  const looks = { step: 'the first look at this step', change: 'a verdict changed', growth: 'the evidence grew' }
  const bound = last ? `; no later one of this kind is kept (${maxCheckpoints[because]})` : ''
  return `${looks[because]}: ${units.candidate} / ${units.incumbent} conversations${bound}`
}
