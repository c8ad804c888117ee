import type { RoleDiff, VersionDiff } from './diff'
import type { EvaluationVerdict } from './evaluation'
import type { Risk } from './plan'
import type { Bump } from './semver-class'
import type { ChangeClass, Digest, KindName } from './version'

/** The semver that fits a change of one artifact. */
export interface Suggestion {
  readonly bump: Bump
  /** The next free label of the artifact; absent where both versions are not of one artifact, or nothing differs. */
  readonly label?: string
}

/** Something that names a key of outputs that goes away or may be missing. */
export interface BrokenConsumer {
  /** `kind/name@semver` */
  readonly ref: string
  readonly kind: KindName
  readonly key: string
  /** The task that has it, where it is found through one. */
  readonly task?: string
  readonly text: string
}

/** What depends on the earlier side. Lists are cut at `maxDependents`; the counts are whole. */
export interface Dependents {
  /** Whose roles pin the artifact, or whose lanes serve the composite. */
  readonly tasks: readonly string[]
  readonly taskCount: number
  /** With an override made from it, or that pins it. */
  readonly tenants: readonly string[]
  readonly tenantCount: number
  readonly consumers: readonly BrokenConsumer[]
  readonly consumerCount: number
}

/** How far outputs moved between two composites, as far as it was measured. */
export type Measured =
  | { readonly state: 'not_measured' }
  | {
      readonly state: 'measured'
      readonly shifting: boolean
      readonly verdict: EvaluationVerdict
      readonly suite: Digest
      readonly policy: Digest
      readonly evaluationId: string
      /** Milliseconds since the epoch. */
      readonly at: number
      /** A provider changed since: measure again. */
      readonly void: boolean
      /** The most moved field that is judged, with the share of cases in which it differs and what the policy allows. */
      readonly shift?: { readonly field: string; readonly changedShare: number; readonly margin: number }
    }

export interface VersionReport extends VersionDiff {
  readonly kind: KindName
  readonly suggested: Suggestion
  readonly dependents: Dependents
}

export interface RoleReport extends RoleDiff {
  readonly suggested: Suggestion
}

export interface CompositeReport {
  readonly from: Digest
  readonly to: Digest
  /** By interface, or `shifting` where the outputs were measured to move beyond the policy's margin. */
  readonly changeClass: ChangeClass
  /** Absent where nothing differs. */
  readonly risk?: Risk
  readonly roles: readonly RoleReport[]
  readonly measured: Measured
  /** The highest of its roles. */
  readonly suggested: Suggestion
  readonly dependents: Dependents
}

/** What is the most that a list of dependents shows. */
export const maxDependents = 200
