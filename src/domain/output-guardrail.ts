import { evalueOf } from '../stats/log-space'
import { emptySample, mergeSamples, type SampleMoments } from '../stats/moments'
import { logEvalueMultinomialShift } from '../stats/multinomial-shift'
import { logEvidenceNumericShift } from '../stats/numeric-shift'
import type { GuardrailVerdict } from './guardrail'
import type { OutputPolicy } from './policy'
import { type Judged, judgedByFail, notApplicable, type Situation } from './situation'
import type { ArmStats, StratumStats } from './telemetry'
import { formatValue } from './verdict-text'

/** How different one field is, both ways: nothing here says which arm is better. */
interface Difference {
  readonly logEvidence: number
  readonly logThreshold: number
  readonly units: { readonly candidate: number; readonly incumbent: number }
  readonly candidate?: number
  readonly incumbent?: number
  readonly text: string
}

/**
 * Whether the outputs of the candidate are *different*: a class mix or a mean that moved, either way. Different is not
 * worse, so it pauses for a person to look, and never takes a release back.
 */
export function judgeOutputs(situation: Situation): readonly Judged[] {
  return (situation.input.policy.outputs ?? []).map((output, index) => judgeOutput(output, index, situation))
}

function judgeOutput(output: OutputPolicy, index: number, situation: Situation): Judged {
  const base = { name: `output:${output.field}`, role: output.role } as const
  const unfit = notApplicable(situation.input, situation.strata)
  if (unfit) return { verdict: { ...base, ...unfit }, action: 'continue' }
  const strata = situation.strata.filter(({ outputs }) => outputs?.[index]?.field === output.field)
  const found = output.classes
    ? classDifference(output.classes, index, strata, situation.alpha)
    : meanDifference(index, strata, situation.alpha)
  const { units, text } = found
  const measured: Omit<GuardrailVerdict, 'verdict' | 'reason' | 'text'> = {
    ...base,
    statistic: evalueOf(found.logEvidence),
    threshold: Math.exp(found.logThreshold),
    ...(found.candidate !== undefined && { candidate: found.candidate }),
    ...(found.incumbent !== undefined && { incumbent: found.incumbent }),
  }
  const waits = (reason: 'ratio_mismatch' | 'no_traffic', why: string): Judged => ({
    verdict: { ...measured, verdict: 'no_evidence', reason, text: why },
    action: 'continue',
  })
  if (situation.ratio.reason === 'ratio_mismatch') return waits('ratio_mismatch', `${text}: void`)
  if (units.candidate + units.incumbent === 0) return waits('no_traffic', `no output has told ${output.field} yet`)
  if (found.logEvidence >= found.logThreshold) {
    return judgedByFail({ ...measured, verdict: 'fail', reason: 'output_differs', text: `${text}: outputs differ` })
  }
  return judgedByFail({ ...measured, verdict: 'pass', reason: 'within_limit', text: `${text}: no difference shown` })
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

/** Every declared class is a term from the start, and all others are one, so that the mixture is fixed beforehand. */
function classDifference(
  classes: readonly string[],
  index: number,
  strata: readonly StratumStats[],
  alpha: number,
): Difference {
  const countsOf = ({ outputs }: ArmStats): readonly number[] =>
    Array.from({ length: classes.length + 1 }, (_, row) => outputs?.classes[index]?.[row] ?? 0)
  const rows = strata.map(({ share, candidate, incumbent }) => {
    return {
      share,
      a: Object.fromEntries(countsOf(incumbent).entries()),
      b: Object.fromEntries(countsOf(candidate).entries()),
    }
  })
  const totals = (arm: 'candidate' | 'incumbent'): readonly number[] =>
    Array.from({ length: classes.length + 1 }, (_, row) => sum(strata.map((one) => countsOf(one[arm])[row] ?? 0)))
  const [candidate, incumbent] = [totals('candidate'), totals('incumbent')]
  const units = { candidate: sum(candidate), incumbent: sum(incumbent) }
  const moved = candidate
    .map((count, row) => ({
      name: classes[row] ?? 'other',
      own: units.candidate > 0 ? count / units.candidate : 0,
      other: units.incumbent > 0 ? (incumbent[row] ?? 0) / units.incumbent : 0,
    }))
    .sort((left, right) => Math.abs(right.own - right.other) - Math.abs(left.own - left.other))
  const most = moved.slice(0, 3).map(({ name, own, other }) => `${name} ${percent(own)} against ${percent(other)}`)
  return {
    logEvidence: logEvalueMultinomialShift(
      rows,
      classes.map((_, row) => String(row)),
    ),
    logThreshold: -Math.log(alpha),
    units,
    text: `${most.join(', ')} (conversations ${units.candidate} / ${units.incumbent})`,
  }
}

const percent = (share: number): string => formatValue(share, 'share')

function meanDifference(index: number, strata: readonly StratumStats[], alpha: number): Difference {
  const momentsOf = ({ outputs }: ArmStats): SampleMoments => outputs?.numbers[index] ?? emptySample
  const rows = strata.map(({ share, candidate, incumbent }) => {
    return { share, a: momentsOf(incumbent), b: momentsOf(candidate) }
  })
  const pooled = {
    candidate: rows.reduce((all, { b }) => mergeSamples(all, b), emptySample),
    incumbent: rows.reduce((all, { a }) => mergeSamples(all, a), emptySample),
  }
  const units = { candidate: pooled.candidate.n, incumbent: pooled.incumbent.n }
  const means = {
    ...(units.candidate > 0 && { candidate: pooled.candidate.sum / units.candidate }),
    ...(units.incumbent > 0 && { incumbent: pooled.incumbent.sum / units.incumbent }),
  }
  const shown = (value: number | undefined): string =>
    value === undefined ? 'unknown' : String(Number(value.toPrecision(3)))
  return {
    logEvidence: logEvidenceNumericShift(rows, alpha),
    logThreshold: -Math.log(alpha),
    units,
    ...means,
    text: `mean ${shown(means.candidate)} against ${shown(means.incumbent)} (conversations ${units.candidate} / ${units.incumbent})`,
  }
}
