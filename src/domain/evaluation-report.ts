import { assert } from '../errors'
import { type GroupedValue, groupedShare, groupedTest, quantileOf } from '../stats/grouped'
import type { ArmReport, CaseList, CaseOutcome, Comparison, EngineSeen } from './evaluation'
import { type OutcomePair, outputShift } from './output-shift'
import type { Digest } from './version'

/** Cases named in a list of fixed or broken ones; the count tells how many there are. */
const maxListedCases = 50
/** Distinct models and fingerprints that are told. */
const maxEngines = 10
/** Latencies of calls made further apart than this do not compare: the provider's load is another one. */
const latencyComparableMs = 3_600_000
/** Fewer measured calls than this have no 95th percentile worth comparing. */
const minLatencies = 20

/** Mean of a number over outcomes; 0 for none. */
const meanBy = (outcomes: readonly CaseOutcome[], value: (outcome: CaseOutcome) => number): number =>
  outcomes.reduce((sum, outcome) => sum + value(outcome), 0) / Math.max(1, outcomes.length)

/** `scorers` are the names of the suite's scorers; `primary` is one of them. */
export function armReport(
  composite: Digest,
  outcomes: readonly CaseOutcome[],
  suite: { readonly scorers: readonly string[]; readonly primary: string },
): ArmReport {
  const answered = outcomes.filter(({ status }) => status === 'ok')
  const share = (value: (outcome: CaseOutcome) => number) =>
    groupedShare(outcomes.map((outcome) => ({ group: outcome.group, value: value(outcome) })))
  const scoreOf = (name: string) => share((outcome) => outcome.scores[name] ?? 0)
  return {
    composite,
    results: outcomes.length,
    errors: outcomes.length - answered.length,
    fromStore: outcomes.filter(({ fromStore }) => fromStore).length,
    accuracy: scoreOf(suite.primary),
    scores: Object.fromEntries(suite.scorers.map((name) => [name, scoreOf(name)])),
    passed: share(({ passed }) => (passed ? 1 : 0)),
    schemaCompliance: share(({ valid }) => (valid ? 1 : 0)),
    tokens: {
      inputMean: meanBy(answered, ({ inputTokens }) => inputTokens),
      cachedMean: meanBy(answered, ({ cachedTokens }) => cachedTokens),
      outputMean: meanBy(answered, ({ outputTokens }) => outputTokens),
    },
    ...latencyOf(answered),
    cost: {
      totalUsd: answered.reduce((sum, { costUsd }) => sum + costUsd, 0),
      meanUsd: meanBy(answered, ({ costUsd }) => costUsd),
      uncachedMeanUsd: meanBy(answered, ({ uncachedCostUsd }) => uncachedCostUsd),
    },
    engines: enginesSeen(answered),
  }
}

function latencyOf(answered: readonly CaseOutcome[]): Pick<ArmReport, 'latency'> {
  const latencies = answered.map(({ latencyMs }) => latencyMs)
  const p50Ms = quantileOf(latencies, 0.5)
  const p95Ms = quantileOf(latencies, 0.95)
  if (p50Ms === undefined || p95Ms === undefined) return {}
  const moments = answered.map(({ measuredAt }) => measuredAt)
  const from = moments.reduce((first, at) => Math.min(first, at), Number.POSITIVE_INFINITY)
  const to = moments.reduce((last, at) => Math.max(last, at), 0)
  return { latency: { p50Ms, p95Ms, from, to } }
}

function enginesSeen(answered: readonly CaseOutcome[]): readonly EngineSeen[] {
  const counts = new Map<string, EngineSeen>()
  for (const { model = 'unknown', fingerprint = 'unknown' } of answered) {
    const key = `${model}\u0000${fingerprint}`
    counts.set(key, { model, fingerprint, results: (counts.get(key)?.results ?? 0) + 1 })
  }
  return [...counts.values()].sort((a, b) => b.results - a.results).slice(0, maxEngines)
}

/** Both arms on the same cases; undefined where they share none. */
export function compareArms(
  candidate: readonly CaseOutcome[],
  incumbent: readonly CaseOutcome[],
  primary: string,
): Comparison | undefined {
  const pairs = pairUp(candidate, incumbent)
  const differences = pairs.map(
    (pair): GroupedValue => ({
      group: pair.candidate.group,
      value: (pair.candidate.scores[primary] ?? 0) - (pair.incumbent.scores[primary] ?? 0),
    }),
  )
  const difference = groupedTest(differences)
  if (difference === undefined) return undefined
  const byCase = meanDifferenceByCase(pairs, primary)
  const answered = pairs.filter((pair) => pair.candidate.status === 'ok' && pair.incumbent.status === 'ok')
  const ratio = (name: string, value: (outcome: CaseOutcome) => number) => ({
    ...ratioOf(
      name,
      meanBy(
        answered.map((pair) => pair.candidate),
        value,
      ),
      meanBy(
        answered.map((pair) => pair.incumbent),
        value,
      ),
    ),
  })
  return {
    pairs: pairs.length,
    difference: {
      ...difference,
      lower: Math.max(-1, difference.lower),
      upper: Math.min(1, difference.upper),
    },
    fixed: caseList(byCase, (value) => value > 0),
    broken: caseList(byCase, (value) => value < 0),
    shifts: outputShift(pairs),
    ...ratio('tokensRatio', ({ inputTokens, outputTokens }) => inputTokens + outputTokens),
    ...ratio('costRatio', ({ uncachedCostUsd }) => uncachedCostUsd),
    ...latencyRatio(answered),
  }
}

function pairUp(candidate: readonly CaseOutcome[], incumbent: readonly CaseOutcome[]): readonly OutcomePair[] {
  const keyOf = ({ caseId, repeat }: CaseOutcome) => `${repeat}/${caseId}`
  const others = new Map(incumbent.map((outcome) => [keyOf(outcome), outcome]))
  return candidate.flatMap((outcome) => {
    const other = others.get(keyOf(outcome))
    return other ? [{ candidate: outcome, incumbent: other }] : []
  })
}

function meanDifferenceByCase(pairs: readonly OutcomePair[], primary: string): ReadonlyMap<string, number> {
  const sums = new Map<string, number>()
  for (const { candidate, incumbent } of pairs) {
    const difference = (candidate.scores[primary] ?? 0) - (incumbent.scores[primary] ?? 0)
    sums.set(candidate.caseId, (sums.get(candidate.caseId) ?? 0) + difference)
  }
  return sums
}

function caseList(differences: ReadonlyMap<string, number>, picks: (difference: number) => boolean): CaseList {
  const cases = [...differences].filter(([, difference]) => picks(difference)).map(([caseId]) => caseId)
  return { count: cases.length, cases: cases.sort().slice(0, maxListedCases) }
}

function ratioOf(name: string, candidate: number, incumbent: number): Readonly<Record<string, number>> {
  assert(Number.isFinite(candidate) && Number.isFinite(incumbent), `${name} of finite means`)
  return incumbent > 0 ? { [name]: candidate / incumbent } : {}
}

/** Absent where too few calls were measured, or where they were made too far apart to be comparable. */
function latencyRatio(pairs: readonly OutcomePair[]): Pick<Comparison, 'latencyP95Ratio'> {
  if (pairs.length < minLatencies) return {}
  const moments = pairs.flatMap(({ candidate, incumbent }) => [candidate.measuredAt, incumbent.measuredAt])
  const first = moments.reduce((least, at) => Math.min(least, at), Number.POSITIVE_INFINITY)
  const last = moments.reduce((most, at) => Math.max(most, at), 0)
  if (last - first > latencyComparableMs) return {}
  const candidate =
    quantileOf(
      pairs.map((pair) => pair.candidate.latencyMs),
      0.95,
    ) ?? 0
  const incumbent =
    quantileOf(
      pairs.map((pair) => pair.incumbent.latencyMs),
      0.95,
    ) ?? 0
  return incumbent > 0 ? { latencyP95Ratio: candidate / incumbent } : {}
}
