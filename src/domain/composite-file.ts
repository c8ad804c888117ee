import type { Pin } from './composite'
import type { Digest, KindName, Promotion } from './version'

export const fileFormat = 'sluice-composite'
export const fileVersion = 1

/** Times are ISO 8601. Metadata is as its author wrote it: an import keeps it as the origin. */
export interface FileVersion {
  readonly line: 'version'
  readonly kind: KindName
  readonly name: string
  readonly semver: string
  readonly digest: Digest
  readonly content: unknown
  readonly author: string
  readonly createdAt: string
  readonly description: string
  readonly parents: readonly Digest[]
  readonly provenance?: Readonly<Record<string, unknown>>
  readonly promotion?: Promotion
}

export interface FileComposite {
  readonly line: 'composite'
  readonly id: Digest
  readonly roles: Readonly<Record<string, Pin>>
  readonly parents: readonly Digest[]
  readonly createdAt: string
}

/**
 * The lines of an exported composite: a header, every version of its closure with what it refers to before it, behind a
 * dataset its rows in the order of their digests (where they are exported), the composite, and the counts.
 */
export type FileLine =
  | {
      readonly line: 'header'
      readonly format: typeof fileFormat
      readonly version: typeof fileVersion
      readonly composite: Digest
      readonly rows: boolean
    }
  | FileVersion
  | { readonly line: 'row'; readonly row: Readonly<Record<string, unknown>> }
  | FileComposite
  | { readonly line: 'end'; readonly versions: number; readonly rows: number }

/** What an import did. */
export interface Imported {
  readonly composite: Digest
  /** False where it stood already. */
  readonly created: boolean
  readonly versions: readonly { readonly ref: string; readonly digest: Digest; readonly created: boolean }[]
  readonly rows: number
  /** Digest of the file: the hash of its last line. */
  readonly file: Digest
}
