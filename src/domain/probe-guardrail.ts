import type { AssessmentInput, GuardrailVerdict } from './guardrail'
import type { ProbePolicy } from './policy'
import { type ProbeReading, placeholdersIn, probeGapMs } from './probe'
import { type Judged, judgedByFail, noEvidenceActions } from './situation'
import { formatDuration } from './verdict-text'

/**
 * The policy's probes: absolute limits on a number that somebody else measures. They need neither control nor sample. A value
 * counts until it is too old. From then on there is no evidence, and why; where the provider had as long to answer, the
 * policy's answer to that holds. So no single failed question takes a release back, the first one included.
 */
export function judgeProbes(input: AssessmentInput): readonly Judged[] {
  const { policy, readings } = input
  return (policy.probes ?? []).map((probe, index) => {
    const base = { name: `probe:${probe.name}`, role: probe.role } as const
    if (!input.hasIncumbent && placeholdersIn(probe.query).includes('incumbent')) {
      const text = 'the query names the incumbent, and there is none'
      return { verdict: { ...base, verdict: 'not_applicable', reason: 'no_incumbent', text }, action: 'continue' }
    }
    const reading = readings?.[index] ?? {}
    const { value, ageMs = 0, fault } = reading
    const trouble = fault === undefined ? '' : `${probe.provider} at ${probe.endpoint}: ${fault.text}`
    if (value !== undefined && Number.isFinite(value) && ageMs <= probe.maxAgeMs) {
      return judgedByFail({ ...base, ...againstLimit(value, probe, since(ageMs, trouble)) })
    }
    const unasked = unaskedText(reading, probe)
    const last = value === undefined ? '' : `the last value, ${shown(value)}, is ${ago(ageMs)} old`
    const text = [trouble, last, unasked].filter((part) => part !== '').join('; ')
    const verdict = { ...base, verdict: 'no_evidence', reason: fault?.reason ?? 'no_reading', text } as const
    const waits = unasked !== '' || (reading.askedForMs ?? Number.POSITIVE_INFINITY) <= probe.maxAgeMs
    return { verdict, action: probe.role === 'notify' || waits ? 'continue' : noEvidenceActions[probe.noEvidence] }
  })
}

/**
 * In words; empty where it was asked in time. That nobody asked is no word of the provider: the worker or the database was
 * away, and the next answer is there within seconds of their return. A release must not go back for it.
 */
function unaskedText({ value, fault, newestMs }: ProbeReading, probe: ProbePolicy): string {
  if (value === undefined && fault === undefined) return 'nobody has asked yet'
  return newestMs !== undefined && newestMs > probeGapMs(probe) ? `nobody has asked for ${ago(newestMs)}` : ''
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
