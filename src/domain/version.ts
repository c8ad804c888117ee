/** Versions: one immutable content of an artifact, identified by the digest of its canonical content. */

export type Digest = `sha256:${string}`

export const kindNames = [
  'prompt',
  'engine',
  'schema',
  'mapping',
  'field',
  'filter',
  'tool',
  'postprocess',
  'embedding',
  'index',
  'router',
  'model',
  'dataset',
  'suite',
  'policy',
  'platform',
] as const
export type KindName = (typeof kindNames)[number]

/** `safe`: same interface; `shifting`: same interface, outputs measured beyond the margin; `breaking`: interface changed. */
export type ChangeClass = 'none' | 'safe' | 'shifting' | 'breaking'

/** One difference between two contents, as people read it. `path` is a JSON pointer or a named part. */
export interface Change {
  readonly path: string
  readonly change: 'added' | 'removed' | 'changed'
  readonly before?: unknown
  readonly after?: unknown
  readonly text: string
}

/** What stands where heavy content was. */
export interface Dropped {
  /** `rows`: the content of a dataset stands, its rows are gone. */
  readonly what: 'content' | 'rows'
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly by: string
  readonly why: string
  /** The run that dropped it. */
  readonly run: string
  /** Size of a content; of rows they are told by the run, since datasets share them. */
  readonly bytes: number
}

export interface Version {
  readonly kind: KindName
  readonly name: string
  readonly semver: string
  readonly digest: Digest
  /** Digest of what others depend on (variables, keys and types, fields written). */
  readonly interface: Digest
  /** The content with every reference resolved to a digest. */
  readonly content: unknown
  readonly author: string
  readonly createdAt: Date
  readonly description: string
  /** What it was derived from. Metadata: the identity is the content alone. */
  readonly parents: readonly Digest[]
  readonly provenance?: Readonly<Record<string, unknown>>
  /** Retention dropped what was heavy of it; the same content pushed again brings it back. */
  readonly dropped?: Dropped
  /** Which experiment this release was, and which others were considered. */
  readonly promotion?: Promotion
  /** Of an imported one; `author` and `createdAt` are of the import. */
  readonly origin?: Origin
}

/** An experiment as it was scored when one was chosen. */
export interface ScoredExperiment {
  readonly ref: string
  readonly digest: Digest
  readonly composite: Digest
  readonly evaluationId: string
  readonly verdict: 'pass' | 'fail' | 'no_evidence'
  /** Mean of the suite's primary scorer, 0..1. */
  readonly accuracy?: number
}

/** Which experiment became a release, on which suite, and which others were considered. Kept with the version. */
export interface Promotion {
  readonly suite: Digest
  readonly winner: ScoredExperiment
  readonly losers: readonly ScoredExperiment[]
}

/** Who made something and when, as the file says that it was imported from: a claim that no digest covers. */
export interface Origin {
  readonly author?: string
  readonly createdAt: Date
  /** Digest of the file. */
  readonly file: Digest
}

export interface Ref {
  readonly kind: KindName
  readonly name: string
  /** Semver or digest. */
  readonly version: string
}

export const refText = (version: Pick<Version, 'kind' | 'name' | 'semver'>): string =>
  `${version.kind}/${version.name}@${version.semver}`
