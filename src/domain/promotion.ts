import { prerelease } from 'semver'
import type { EvaluationVerdict } from './evaluation'
import type { Digest } from './version'

/** An experiment as it was scored when one was chosen. */
export interface ScoredExperiment {
  readonly ref: string
  readonly digest: Digest
  readonly composite: Digest
  readonly evaluationId: string
  readonly verdict: EvaluationVerdict
  /** Mean of the suite's primary scorer, 0..1. */
  readonly accuracy?: number
}

/** Which experiment became a release, on which suite, and which others were considered. Kept with the version. */
export interface Promotion {
  readonly suite: Digest
  readonly winner: ScoredExperiment
  readonly losers: readonly ScoredExperiment[]
}

export const isPreRelease = (semver: string): boolean => prerelease(semver) !== null

/** An experiment is a pre-release, or a version under a name of its own. */
export const isExperiment = (
  { name, semver }: { readonly name: string; readonly semver: string },
  release: { readonly name: string },
): boolean => isPreRelease(semver) || name !== release.name
