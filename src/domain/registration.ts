import type { ClassedChange } from './diff'
import type { ChangeClass, Digest, KindName, Promotion, Version } from './version'

/** What a caller registers. `content` is the draft form of its kind: references may be labels. */
export interface Registration {
  readonly kind: KindName
  readonly name: string
  readonly semver: string
  readonly content: unknown
  readonly author: string
  /** What changed and why. */
  readonly description: string
  /** Each a digest or `kind/name@semver`. */
  readonly parents?: readonly string[]
  readonly provenance?: Readonly<Record<string, unknown>>
  /** Written by a promotion only; no caller of the API gives it. */
  readonly promotion?: Promotion
}

export interface Registered {
  readonly version: Version
  /** False where the same content stood under this semver already. */
  readonly created: boolean
  /** Relative to `base`; `none` for the first version. */
  readonly changeClass: ChangeClass
  /** The highest lower semver at the time of registration. */
  readonly base?: string
  readonly changes: readonly ClassedChange[]
}

/** What a registration would do, or why it would be refused. */
export interface CheckedItem {
  readonly ref: string
  readonly outcome: 'new' | 'unchanged' | 'refused'
  readonly changeClass?: ChangeClass
  readonly digest?: Digest
  readonly code?: string
  readonly message?: string
  readonly details?: Readonly<Record<string, unknown>>
}

export interface VersionFilter {
  readonly kind?: KindName
  readonly name?: string
  /** Only the labels of this content. */
  readonly digest?: Digest
  /** The `kind/name@semver` of the last version of the page before. */
  readonly after?: string
  readonly limit?: number
}

/** A version without its content, for lists. */
export type VersionSummary = Omit<Version, 'content'>
