import { logEvidenceAbove, logEvidenceBelow } from '../stats/asymptotic-confidence-sequence'
import { evalueOf, finiteLog, logMeanExp } from '../stats/log-space'
import { addPair, emptyPairs, type PairedMoments, pairedDifference } from '../stats/paired-difference'
import { logEvalueRatioAbove } from '../stats/rate-ratio'
import type { GuardrailVerdict } from './guardrail'
import { metricFacts, metricNamed } from './metric'
import type { OutputPolicy, Policy, ShadowPolicy } from './policy'
import { type ShadowPair, sameOutput } from './shadow'
import type { ClosedValueName, EventName } from './telemetry'
import { formatMargin, formatValue } from './verdict-text'

/** One conversation with all its pairs. */
export interface ShadowUnit {
  readonly pairs: number
  readonly candidate: ShadowSums
  readonly incumbent: ShadowSums
  /** Of its first pair: a conversation is evidence once. */
  readonly outputs?: ShadowPair['outputs']
}

export interface ShadowSums {
  readonly errors: number
  readonly schemaFailures: number
  readonly costUsd: number
  readonly uncachedCostUsd: number
  readonly latencyMs: number
}

/**
 * `fail`: worse by a guardrail that takes back. `different`: worse by one that pauses, or other outputs. `waiting`: neither,
 * and the sample is not there yet.
 */
export interface ShadowJudgement {
  readonly verdict: 'pass' | 'fail' | 'different' | 'waiting'
  readonly verdicts: readonly GuardrailVerdict[]
  readonly units: number
  readonly pairs: number
  readonly reasons: readonly string[]
}

interface Situation {
  readonly units: readonly ShadowUnit[]
  readonly alpha: number
}

/**
 * Candidate against incumbent on the same requests, by conversation. A pure function of the pairs, valid at any number of
 * looks. A pair in which both arms show an event counts against neither: the conditional binomial test of two arms stays
 * below its level where they answer the same requests (its factor for such a pair is below one, and for the others the
 * expected factor is one at the margin). Means are compared by the differences within conversations.
 */
export function judgeShadow(
  policy: Pick<Policy, 'alpha' | 'outputs'> & { readonly shadow: ShadowPolicy },
  units: readonly ShadowUnit[],
): ShadowJudgement {
  const { shadow, outputs = [] } = policy
  const alpha = policy.alpha / Math.max(1, shadow.guardrails.length + outputs.length)
  const situation = { units, alpha }
  const verdicts = [
    ...shadow.guardrails.map((guardrail) => judgeMetric(guardrail, situation)),
    ...outputs.map((output, index) => judgeOutput(output, index, situation)),
  ]
  const failed = verdicts.filter(({ verdict, role }) => verdict === 'fail' && role !== 'notify')
  const counts = { units: units.length, pairs: units.reduce((sum, { pairs }) => sum + pairs, 0) }
  const verdict = failed.some(({ role }) => role === 'rollback')
    ? 'fail'
    : failed.length > 0
      ? 'different'
      : units.length < shadow.minimumSample
        ? 'waiting'
        : 'pass'
  const missing = `${units.length} of ${shadow.minimumSample} conversations have a pair of answers`
  const reasons = verdict === 'waiting' ? [missing] : failed.map(({ text }) => text)
  return { verdict, verdicts, ...counts, reasons }
}

function judgeMetric(
  { metric, role, margin }: ShadowPolicy['guardrails'][number],
  { units, alpha }: Situation,
): GuardrailVerdict {
  const { label, unit } = metricNamed(metric)
  const statistic = metricFacts[metric].statistic
  const [candidate, incumbent, logEvidence, level] =
    statistic.kind === 'event'
      ? eventEvidence(units, statistic.event, { margin, alpha })
      : meanEvidence(units, statistic.value, { margin, alpha })
  const worse = logEvidence >= -Math.log(level)
  const text = `${label} ${shown(candidate, unit)} against ${shown(incumbent, unit)} (${units.length} conversations answered twice)`
  return {
    name: metric,
    role,
    verdict: worse ? 'fail' : units.length > 0 ? 'pass' : 'no_evidence',
    reason: worse ? 'worse_than_incumbent' : units.length > 0 ? 'within_limit' : 'no_traffic',
    ...(candidate === undefined ? {} : { candidate }),
    ...(incumbent === undefined ? {} : { incumbent }),
    statistic: evalueOf(logEvidence),
    threshold: 1 / level,
    text: worse ? `${text}: worse than the margin of ${formatMargin(margin)}` : text,
  }
}

const shown = (value: number | undefined, unit: Parameters<typeof formatValue>[1]): string =>
  value === undefined ? 'unknown' : formatValue(value, unit)

type Evidence = readonly [candidate: number | undefined, incumbent: number | undefined, log: number, level: number]
type Levels = { readonly margin: number; readonly alpha: number }

function eventEvidence(units: readonly ShadowUnit[], event: EventName, { margin, alpha }: Levels): Evidence {
  const has = (sums: ShadowSums): boolean => (event === 'schema_failure' ? sums.schemaFailures : sums.errors) > 0
  const b = units.filter(({ candidate }) => has(candidate)).length
  const a = units.filter(({ incumbent }) => has(incumbent)).length
  const share = (count: number) => (units.length > 0 ? count / units.length : undefined)
  return [share(b), share(a), logEvalueRatioAbove([{ a, b, share: 0.5 }], 1 + margin), alpha]
}

/** Below these, logarithms are taken of the floor. */
const floors: Readonly<Record<ClosedValueName, number>> = { cost_usd: 1e-9, uncached_cost_usd: 1e-9, latency_ms: 1 }

/** The mean itself and that of logarithms share the level, as on live traffic. */
function meanEvidence(units: readonly ShadowUnit[], value: ClosedValueName, { margin, alpha }: Levels): Evidence {
  const read = (sums: ShadowSums, pairs: number): number =>
    (value === 'cost_usd' ? sums.costUsd : value === 'latency_ms' ? sums.latencyMs : sums.uncachedCostUsd) / pairs
  let raw = emptyPairs
  let logs = emptyPairs
  for (const { pairs, candidate, incumbent } of units) {
    const [a, b] = [read(incumbent, pairs), read(candidate, pairs)]
    raw = addPair(raw, a, b)
    logs = addPair(logs, Math.log(Math.max(a, floors[value])), Math.log(Math.max(b, floors[value])))
  }
  const level = alpha / 2
  const evidence = Math.max(
    logEvidenceAbove(pairedDifference(raw, 1 + margin), level),
    logEvidenceAbove(pairedDifference(logs, 1, Math.log(1 + margin)), level),
  )
  const mean = (sum: number) => (raw.n > 0 ? sum / raw.n : undefined)
  return [mean(raw.sumB), mean(raw.sumA), evidence, level]
}

/** Different either way, which is not worse. */
function judgeOutput(
  { field, classes, role }: OutputPolicy,
  index: number,
  { units, alpha }: Situation,
): GuardrailVerdict {
  const couples = units.flatMap(({ outputs }) => (outputs?.[index] ? [outputs[index]] : []))
  const told = couples.length
  const logEvidence =
    classes === undefined ? numberEvidence(couples, alpha) : classEvidence(couples, classes.length + 1)
  const differs = logEvidence >= -Math.log(alpha)
  const same = couples.filter(([left, right]) => sameOutput(left, right)).length
  const agreement = told > 0 ? formatValue(same / told, 'share') : 'unknown'
  const text = `${field} is the same in ${agreement} of ${told} conversations`
  return {
    name: `output:${field}`,
    role,
    verdict: differs ? 'fail' : told > 0 ? 'pass' : 'no_evidence',
    reason: differs ? 'output_differs' : told > 0 ? 'within_limit' : 'no_traffic',
    statistic: evalueOf(logEvidence),
    threshold: 1 / alpha,
    text: differs ? `${text}: its mix is different` : text,
  }
}

type Couple = NonNullable<NonNullable<ShadowPair['outputs']>[number]>

/**
 * The mean over classes and both directions of the e-values that one arm shows the class more often. A product over classes
 * would be sharper and is no martingale here: in a pair two classes move at once.
 */
function classEvidence(couples: readonly Couple[], classes: number): number {
  const logs = Array.from({ length: classes }, (_, row) => {
    const count = (place: 0 | 1) => couples.filter((couple) => isClass(couple[place], row)).length
    const [b, a] = [count(0), count(1)]
    return [logEvalueRatioAbove([{ a, b, share: 0.5 }], 1), logEvalueRatioAbove([{ a: b, b: a, share: 0.5 }], 1)]
  })
  return logMeanExp(logs.flat())
}

const isClass = (value: Couple[number], row: number): boolean => 'class' in value && value.class === row

function numberEvidence(couples: readonly Couple[], alpha: number): number {
  let sums: PairedMoments = emptyPairs
  for (const [b, a] of couples) if ('number' in a && 'number' in b) sums = addPair(sums, a.number, b.number)
  const difference = pairedDifference(sums, 1)
  const either = Math.max(logEvidenceAbove(difference, alpha / 2), logEvidenceBelow(difference, alpha / 2))
  return finiteLog(either - Math.LN2)
}
