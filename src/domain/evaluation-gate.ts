import type { SuiteContent } from './contents'
import type { ArmReport, Comparison, EvaluationCheck, EvaluationVerdict, FieldShift, FieldVerdict } from './evaluation'
import { judgeShifts, largestShift } from './output-shift'
import type { Policy } from './policy'

/** One-sided level of the regression test. */
const regressionAlpha = 0.05
/** Beyond this share of cases without an answer nothing is concluded: a provider that is down is no bad candidate. */
export const maxErrorShare = 0.02

export interface GateInput {
  readonly candidate: ArmReport
  readonly incumbent?: ArmReport
  readonly comparison?: Comparison
  /** Cases times repeats. */
  readonly expected: number
  /** Why the run stopped before all were run; absent: it did not. */
  readonly stopped?: string
  /** Name of the scorer that is the accuracy. */
  readonly primary?: string
  /** Why not every output was judged; absent: nothing kept the judges from it. */
  readonly judging?: string
  readonly thresholds: SuiteContent['thresholds']
  readonly policy: Pick<Policy, 'test' | 'exceptions'>
  readonly leakage: EvaluationCheck
}

export interface GateVerdict {
  readonly verdict: EvaluationVerdict
  readonly shifting: boolean
  readonly checks: readonly EvaluationCheck[]
  /** Texts of the checks that did not pass. */
  readonly reasons: readonly string[]
  /** Field by field, what the check `output_shift` is made of. */
  readonly shifts: readonly FieldVerdict[]
}

/**
 * Whether the candidate may go on: absolute limits of the suite, then the comparison by the policy's limits. Of a candidate
 * that may know the cases, scores say nothing: where leakage speaks against it, nothing else is judged.
 */
export function judgeEvaluation(input: GateInput): GateVerdict {
  const { leakage } = input
  if (leakage.verdict === 'fail' || leakage.verdict === 'no_evidence') {
    return { verdict: leakage.verdict, shifting: false, checks: [leakage], reasons: [leakage.text], shifts: [] }
  }
  const shift = shiftCheck(input)
  const checks = [
    leakage,
    completeCheck(input),
    errorsCheck(input),
    scoredCheck(input),
    accuracyCheck(input),
    complianceCheck(input),
    regressionCheck(input),
    ratioCheck(input, 'tokens', input.comparison?.tokensRatio, input.policy.test.tokensRatioMax),
    latencyCheck(input),
    ratioCheck(input, 'cost', input.comparison?.costRatio, input.policy.test.costRatioMax),
    shift.check,
  ]
  return {
    verdict: verdictOf(checks),
    shifting: shift.shifting,
    checks,
    reasons: checks.filter(speaksAgainst(isOpen(checks))).map(({ text }) => text),
    shifts: shift.fields,
  }
}

/** Missing cases and missing scores leave everything open: nothing is concluded from a part of a suite. */
const isOpen = (checks: readonly EvaluationCheck[]): boolean =>
  checks.some(({ name, verdict }) => (name === 'complete' || name === 'scored') && verdict === 'no_evidence')

/** Of a part of a suite only what is missing is told: its figures are those of another suite. */
const speaksAgainst =
  (open: boolean) =>
  ({ verdict }: EvaluationCheck): boolean =>
    verdict === 'no_evidence' || (verdict === 'fail' && !open)

function verdictOf(checks: readonly EvaluationCheck[]): EvaluationVerdict {
  if (!isOpen(checks) && checks.some(({ verdict }) => verdict === 'fail')) return 'fail'
  return checks.some(({ verdict }) => verdict === 'no_evidence') ? 'no_evidence' : 'pass'
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`

function completeCheck({ candidate, incumbent, expected, stopped }: GateInput): EvaluationCheck {
  const least = Math.min(candidate.results, incumbent?.results ?? expected)
  const complete = stopped === undefined && least === expected
  const why = stopped === undefined ? '' : `: ${stopped}`
  const text = complete ? `All ${expected} results are there.` : `Only ${least} of ${expected} results are there${why}.`
  return { name: 'complete', verdict: complete ? 'pass' : 'no_evidence', value: least, limit: expected, text }
}

function errorsCheck({ candidate, incumbent }: GateInput): EvaluationCheck {
  const shareOf = (arm: ArmReport | undefined) => (arm && arm.results > 0 ? arm.errors / arm.results : 0)
  const share = Math.max(shareOf(candidate), shareOf(incumbent))
  const text = `The engine gave no answer to ${percent(shareOf(candidate))} of the candidate's and ${percent(
    shareOf(incumbent),
  )} of the incumbent's cases; up to ${percent(maxErrorShare)} count as wrong, beyond it nothing is concluded.`
  const verdict = share > maxErrorShare ? 'no_evidence' : 'pass'
  return { name: 'engine_errors', verdict, value: share, limit: maxErrorShare, text }
}

/** A judge that gives no answer says nothing about the output: up to a share such cases are left out. */
function scoredCheck({ candidate, incumbent, primary = '', judging }: GateInput): EvaluationCheck {
  const shareOf = (arm: ArmReport | undefined) => (arm?.unscored?.[primary] ?? 0) / Math.max(1, arm?.results ?? 0)
  const value = Math.max(shareOf(candidate), shareOf(incumbent))
  const why = judging === undefined ? '' : ` (${judging})`
  const text =
    value === 0
      ? 'Every answer has the score that counts.'
      : `${percent(shareOf(candidate))} of the candidate's and ${percent(shareOf(incumbent))} of the incumbent's cases ` +
        `have no score ${primary}${why}; up to ${percent(maxErrorShare)} are left out, beyond it nothing is concluded.`
  return { name: 'scored', verdict: value > maxErrorShare ? 'no_evidence' : 'pass', value, limit: maxErrorShare, text }
}

function accuracyCheck({ candidate, thresholds }: GateInput): EvaluationCheck {
  const { mean, lower, upper } = candidate.accuracy
  const limit = thresholds.minAccuracy
  const verdict = mean >= limit ? 'pass' : 'fail'
  const text = `Accuracy is ${percent(mean)} (${percent(lower)} to ${percent(upper)}), wanted at least ${percent(limit)}.`
  return { name: 'accuracy', verdict, value: mean, limit, text }
}

function complianceCheck({ candidate, thresholds, policy }: GateInput): EvaluationCheck {
  const value = candidate.schemaCompliance.mean
  const limit = Math.max(policy.test.schemaComplianceMin, thresholds.minSchemaCompliance ?? 0)
  const text = `${percent(value)} of the outputs fit the schema, wanted at least ${percent(limit)}.`
  return { name: 'schema_compliance', verdict: value >= limit ? 'pass' : 'fail', value, limit, text }
}

const notApplicable = (name: EvaluationCheck['name'], text: string): EvaluationCheck => ({
  name,
  verdict: 'not_applicable',
  text,
})

/** A regression is a fall by more than the margin that is also significant, by groups. */
function regressionCheck({ comparison, incumbent, policy }: GateInput): EvaluationCheck {
  if (!incumbent || !comparison) return notApplicable('regression', 'There is no incumbent to compare accuracy with.')
  const { mean, lower, upper, pBelow, groups } = comparison.difference
  const limit = -policy.test.regressionMargin
  const significant = pBelow < regressionAlpha
  const text =
    `Accuracy moved by ${points(mean)} (${points(lower)} to ${points(upper)}, ${groups} groups): ` +
    `${comparison.fixed.count} cases fixed, ${comparison.broken.count} broken; ` +
    `a significant fall beyond ${points(limit)} is refused.`
  return { name: 'regression', verdict: mean < limit && significant ? 'fail' : 'pass', value: mean, limit, text }
}

const points = (share: number): string => `${share > 0 ? '+' : ''}${(share * 100).toFixed(1)} points`

const ratioWords = {
  tokens: 'Tokens per case',
  cost: 'Cost per case (without prompt cache)',
} as const

function ratioCheck(
  { incumbent }: GateInput,
  name: keyof typeof ratioWords,
  value: number | undefined,
  limit: number,
): EvaluationCheck {
  if (!incumbent) return notApplicable(name, `There is no incumbent to compare ${name} with.`)
  if (value === undefined) return notApplicable(name, `${ratioWords[name]} of both arms cannot be compared.`)
  const text = `${ratioWords[name]} is ${value.toFixed(2)} times the incumbent's, allowed are ${limit.toFixed(2)}.`
  return { name, verdict: value <= limit ? 'pass' : 'fail', value, limit, text }
}

/** A difference below it is the machine's own noise, however large as a ratio; a call of a model takes longer. */
const latencyNoiseMs = 250

/** Slower by more than the allowed ratio, and by more than noise; only of arms that were called side by side. */
function latencyCheck({ candidate, incumbent, comparison, policy }: GateInput): EvaluationCheck {
  if (!incumbent) return notApplicable('latency', 'There is no incumbent to compare latency with.')
  const value = comparison?.latencyP95Ratio
  if (value === undefined || !candidate.latency || !incumbent.latency) {
    return notApplicable(
      'latency',
      'Latency cannot be compared: too few calls, or the arms were not called side by side.',
    )
  }
  const limit = policy.test.latencyRatioMax
  const own = candidate.latency.p95Ms
  const slower = own - incumbent.latency.p95Ms > latencyNoiseMs
  const text =
    `The 95th percentile of latency is ${own.toFixed(0)} ms, ${value.toFixed(2)} times the incumbent's; ` +
    `allowed are ${limit.toFixed(2)} times, and differences up to ${latencyNoiseMs} ms.`
  return { name: 'latency', verdict: value > limit && slower ? 'fail' : 'pass', value, limit, text }
}

/** Different is not worse: beyond the margin the change is `shifting`, which needs the policy's exception by name. */
function shiftCheck({ comparison, policy }: GateInput): {
  readonly shifting: boolean
  readonly check: EvaluationCheck
  readonly fields: readonly FieldVerdict[]
} {
  const limit = policy.test.shiftMargin
  const fields = comparison ? judgeShifts(comparison, limit) : []
  const judged = fields.filter(({ verdict }) => verdict !== 'not_applicable')
  const largest = comparison && largestShift(comparison.shifts)
  if (!largest || judged.length === 0) {
    const check = notApplicable('output_shift', 'There are no outputs to compare field by field.')
    return { shifting: false, check, fields }
  }
  const value = largest.detail?.moved ?? largest.changedShare
  const shifting = judged.some(({ verdict }) => verdict === 'fail')
  const open = judged.find(({ verdict }) => verdict === 'no_evidence')
  const excepted = policy.exceptions.includes('shifting')
  const text = `${shiftText(largest, value)}; margin ${percent(limit)}.`
  const facts = { name: 'output_shift', value, limit } as const
  if (!shifting) {
    const check = open ? { ...facts, text: `${text} ${open.field}: ${open.reason}` } : { ...facts, text }
    return { shifting, check: { ...check, verdict: open ? 'no_evidence' : 'pass' }, fields }
  }
  const ending = excepted ? 'The policy excepts shifting changes.' : 'Make it a new task or except it.'
  const verdict = excepted ? 'pass' : 'fail'
  return { shifting, check: { ...facts, verdict, text: `${text} ${ending}` }, fields }
}

function shiftText({ field, detail }: FieldShift, value: number): string {
  const moved = {
    changed_share: `differs in ${percent(value)} of the cases`,
    distance: `has distributions ${percent(value)} apart`,
    one_sided: `is a number on one side alone in ${percent(value)} of the cases`,
  }
  return `The most moved output field, ${field}, ${moved[detail?.measure ?? 'changed_share']}`
}
