import type { EvaluationVerdict } from './evaluation'
import type { Digest } from './version'

/** A lane whose head serves something. */
export interface ActiveIn {
  readonly environment: string
  readonly task: string
  readonly as: 'incumbent' | 'candidate'
  readonly composite: Digest
}

/** What the verdicts in force say on one suite: the newest passing one, or the newest where none passes. */
export interface SuiteScore {
  readonly suite: Digest
  /** A label of the suite, for people. */
  readonly suiteRef?: string
  /** Whether a verdict in force on this suite passes. */
  readonly tested: boolean
  readonly verdict: EvaluationVerdict
  /** Mean of the suite's primary scorer, 0..1, with its 95 % interval. */
  readonly accuracy?: { readonly mean: number; readonly lower: number; readonly upper: number }
  /** What was run. */
  readonly composite: Digest
  readonly evaluationId: string
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** Where a version or a composite serves, and how it was tested. Read from ledger and evidence, never set by hand. */
export interface Standing {
  /** The first lanes by environment and task; `activeLanes` counts all. Disabled lanes serve nothing. */
  readonly active: readonly ActiveIn[]
  readonly activeLanes: number
  readonly tested: boolean
  /** One a suite, the newest first: scores of different suites never compare. */
  readonly scores: readonly SuiteScore[]
}

export const maxActiveShown = 20

export function standingOf(active: readonly ActiveIn[], verdicts: readonly SuiteScore[]): Standing {
  const scores = bestBySuite(verdicts)
  return {
    active: [...active].sort(byLane).slice(0, maxActiveShown),
    activeLanes: active.length,
    tested: scores.some((score) => score.tested),
    scores,
  }
}

function bestBySuite(verdicts: readonly SuiteScore[]): readonly SuiteScore[] {
  const best = new Map<Digest, SuiteScore>()
  for (const score of verdicts) {
    const standing = best.get(score.suite)
    if (standing === undefined || isBetter(score, standing)) best.set(score.suite, score)
  }
  return [...best.values()].sort((a, b) => b.at - a.at || (a.suite < b.suite ? -1 : 1))
}

const isBetter = (one: SuiteScore, other: SuiteScore): boolean =>
  one.tested === other.tested ? one.at > other.at : one.tested

const byLane = (a: ActiveIn, b: ActiveIn): number => (laneText(a) < laneText(b) ? -1 : 1)
const laneText = ({ environment, task, as }: ActiveIn): string => `${environment}/${task}/${as}`

/** One entry of a lane in which what serves of a version or a composite changed. */
export interface Deployment {
  readonly environment: string
  readonly task: string
  readonly seq: number
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly by: string
  readonly cause: 'step' | 'settle' | 'rollback'
  /** What it became: `revoked` is taken away by a rollback. */
  readonly as: 'incumbent' | 'candidate' | 'revoked'
  readonly composite: Digest
  /** The incumbent before this entry. */
  readonly previous?: Digest
  /** Of a version: the label that the same role had in it. */
  readonly previousRef?: string
  readonly releaseId?: string
  readonly reason?: string
}
