import type { EvaluationVerdict } from '../domain/evaluation'
import type { Digest } from '../domain/version'
import type { GroupedEstimate } from '../stats/grouped'
import type { Store } from './store'

/** What a composite scored on one suite, by its newest verdict there. Scores of two suites stand side by side, no more. */
export interface SuiteScore {
  readonly suite: Digest
  /** `suite/name@semver`. */
  readonly ref: string
  readonly primary: string
  readonly accuracy: GroupedEstimate
  readonly results: number
  readonly verdict: EvaluationVerdict
  readonly evaluationId: string
  readonly at: number
}

/** Verdicts looked through, the newest first; suites beyond them are not told. */
const maxVerdicts = 200

/** The newest score of a composite on each suite that it was the candidate of, the newest suite first. */
export async function scoresBySuite(
  { catalog, evidence }: Pick<Store, 'catalog' | 'evidence'>,
  composite: Digest,
): Promise<readonly SuiteScore[]> {
  const scores = new Map<Digest, SuiteScore>()
  for (const { suite, report, verdict, evaluationId, at } of await evidence.verdicts({
    candidate: composite,
    limit: maxVerdicts,
  })) {
    if (scores.has(suite)) continue
    const { name, semver } = await catalog.byDigest('suite', suite)
    const { accuracy, results } = report.candidate
    const ref = `suite/${name}@${semver}`
    scores.set(suite, { suite, ref, primary: report.primary, accuracy, results, verdict, evaluationId, at })
  }
  return [...scores.values()]
}
