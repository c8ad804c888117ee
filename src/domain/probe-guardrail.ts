import type { AssessmentInput, GuardrailVerdict } from './guardrail'
import { placeholdersIn } from './probe'
import { type Judged, judgedByFail, noEvidenceActions } from './situation'
import { formatDuration } from './verdict-text'

/**
 * The policy's probes: absolute limits on a number that somebody else measures. They need neither control nor sample. A value
 * counts until it is too old, so that one failed question stops nothing; from then on there is no evidence, and why.
 */
export function judgeProbes(input: AssessmentInput): readonly Judged[] {
  const { policy, readings } = input
  return (policy.probes ?? []).map((probe, index) => {
    const base = { name: `probe:${probe.name}`, role: probe.role } as const
    if (!input.hasIncumbent && placeholdersIn(probe.query).includes('incumbent')) {
      const text = 'the query names the incumbent, and there is none'
      return { verdict: { ...base, verdict: 'not_applicable', reason: 'no_incumbent', text }, action: 'continue' }
    }
    const { value, ageMs = 0, fault } = readings?.[index] ?? {}
    const trouble = fault === undefined ? '' : `${probe.provider} at ${probe.endpoint}: ${fault.text}`
    if (value !== undefined && Number.isFinite(value) && ageMs <= probe.maxAgeMs) {
      return judgedByFail({ ...base, ...againstLimit(value, probe, since(ageMs, trouble)) })
    }
    const last = value === undefined ? '' : `the last value, ${shown(value)}, is ${ago(ageMs)} old`
    const text = [trouble, last].filter((part) => part !== '').join('; ') || 'nobody has asked yet'
    const verdict = { ...base, verdict: 'no_evidence', reason: fault?.reason ?? 'no_reading', text } as const
    // That nobody has asked yet is a matter of seconds; any other state has lasted for the age that the policy tolerates.
    const waits = fault === undefined && value === undefined && !input.step?.bakeComplete
    return { verdict, action: probe.role === 'notify' || waits ? 'continue' : noEvidenceActions[probe.noEvidence] }
  })
}

type Limits = { readonly atMost?: number; readonly atLeast?: number }

/** What one value says, without a word of whose it is. */
function againstLimit(
  value: number,
  { atMost, atLeast }: Limits,
  suffix: string,
): Pick<GuardrailVerdict, 'verdict' | 'reason' | 'candidate' | 'statistic' | 'threshold' | 'text'> {
  const high = atMost !== undefined && value > atMost
  const low = atLeast !== undefined && value < atLeast
  const limit = low ? atLeast : (atMost ?? atLeast ?? value)
  const limits = [
    ...(atLeast === undefined ? [] : [`at least ${shown(atLeast)}`]),
    ...(atMost === undefined ? [] : [`at most ${shown(atMost)}`]),
  ].join(' and ')
  const broken = high || low
  return {
    verdict: broken ? 'fail' : 'pass',
    reason: broken ? 'absolute_limit' : 'within_limit',
    candidate: value,
    statistic: value,
    threshold: limit,
    text: `${shown(value)}${suffix}: the limit is ${limits}`,
  }
}

/** Which probes are beyond their limit, in words: asked of what serves before a release may start. */
export const brokenLimit = (value: number, limits: Limits): string | undefined => {
  const { verdict, text } = againstLimit(value, limits, '')
  return verdict === 'fail' ? text : undefined
}

const shown = (value: number): string => String(Number(value.toPrecision(6)))
const ago = (ageMs: number): string => formatDuration(Math.max(1, Math.round(ageMs / 1000)) * 1000)
const since = (ageMs: number, trouble: string): string => (trouble === '' ? '' : `, ${ago(ageMs)} ago (${trouble})`)
