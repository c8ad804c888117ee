import { parseRef } from '../domain/ref'
import { sortKeyOf } from '../domain/semver-class'
import type { Digest, Dropped, KindName, Origin, Promotion, Ref, Version } from '../domain/version'
import { assert, SluiceError } from '../errors'
import { digestOf, textDigest } from './canonical'
import type { CollectionSpec } from './database'

/** One registered version. Content is kept as RFC 8785 text: BSON would read `$ref` within a schema as its own. */
export interface VersionDocument {
  /** `kind/name@semver` */
  _id: string
  kind: KindName
  name: string
  semver: string
  /** Sorts as (kind, name, semver) does. */
  position: string
  digest: Digest
  interface: Digest
  content: string
  author: string
  createdAt: Date
  description: string
  parents: Digest[]
  provenance?: string
  /** What the content refers to: lineage follows these. */
  references: { path: string; kind: KindName; digest: Digest }[]
  /** When something was last about to depend on it, beside its creation. What is marked is not dropped for a day. */
  usedAt?: Date
  /** Set in the same write that empties `content`; of rows, `content` stands. */
  dropped?: Dropped
  /** Digests that the provenance names as inputs: lineage follows these too. */
  inputs?: Digest[]
  promotion?: Promotion
  /** `rows`: whether those of a dataset came with it. */
  origin?: Origin & { readonly rows?: boolean }
}

export const versionCollections: readonly CollectionSpec[] = [
  {
    name: 'versions',
    indexes: [
      { key: { kind: 1, name: 1, semver: 1 }, unique: true },
      { key: { kind: 1, digest: 1 } },
      { key: { digest: 1 } },
      { key: { position: 1 }, unique: true },
      { key: { 'references.digest': 1 } },
      { key: { createdAt: 1 } },
      { key: { usedAt: 1 } },
      { key: { parents: 1 } },
      { key: { inputs: 1 } },
    ],
  },
  // One document an artifact: registrations of the same artifact lock it, so that semvers are judged one after another.
  { name: 'artifacts' },
]

/** A space ends the name: it sorts before every character of a name, so `csat` and `csat-v2` do not mix. */
export const positionOf = (kind: KindName, name: string, semver: string): string =>
  `${artifactPosition(kind, name)}${sortKeyOf(semver)}`
export const artifactPosition = (kind: KindName, name: string): string => `${kind}/${name} `

/** The bounds of a listing: after a cursor, within a kind or an artifact. */
export function positionRange(filter: { kind?: KindName; name?: string; after?: string }): Record<string, string> {
  const { kind, name, after } = filter
  const start = after === undefined ? undefined : cursorPosition(parseRef(after))
  if (kind === undefined) return start === undefined ? {} : { $gt: start }
  const prefix = name === undefined ? `${kind}/` : artifactPosition(kind, name)
  const end = `${prefix}\u{10ffff}`
  return start !== undefined && start > prefix ? { $gt: start, $lt: end } : { $gte: prefix, $lt: end }
}

function cursorPosition({ kind, name, version }: Ref): string {
  return positionOf(kind, name, version)
}

/** What the digest of a version is taken over. */
export const identityOf = (kind: KindName, content: unknown): Digest => digestOf({ content, kind })

/** The same from the stored text, to the byte: the RFC 8785 text of the whole has the keys in this order. */
const textIdentityOf = (kind: KindName, text: string): Digest =>
  textDigest(`{"content":${text},"kind":${JSON.stringify(kind)}}`)

/** The content of a stored version. Throws content_dropped, and digest_mismatch where it was altered. */
export function readContent(document: VersionDocument): unknown {
  if (document.dropped?.what === 'content') throw contentDropped(document)
  if (textIdentityOf(document.kind, document.content) === document.digest) return JSON.parse(document.content)
  const text = `The stored content of ${document._id} is not what its digest ${document.digest} says.`
  throw new SluiceError('digest_mismatch', text, { ref: document._id })
}

/** What is known of a version whose heavy part is gone, as an error: who dropped it, when and why, and what it was. */
export function contentDropped(document: Omit<VersionDocument, 'content'>): SluiceError {
  const { _id, dropped } = document
  assert(dropped !== undefined, `${_id} says what was dropped of it`)
  const { what, at, by, why } = dropped
  const text =
    `The ${what} of ${_id} ${what === 'rows' ? 'were' : 'was'} dropped at ${new Date(at).toISOString()} by ${by}: ${why}. ` +
    'Push the same content again to restore it.'
  return new SluiceError('content_dropped', text, { ref: _id, dropped, version: summaryOf(document) })
}

export const versionOf = (document: VersionDocument): Version => ({
  ...summaryOf(document),
  content: readContent(document),
})

export function summaryOf(document: Omit<VersionDocument, 'content'>): Omit<Version, 'content'> {
  const { kind, name, semver, digest, author, createdAt, description, parents, provenance } = document
  const { dropped, promotion, origin } = document
  return {
    kind,
    name,
    semver,
    digest,
    interface: document.interface,
    author,
    createdAt,
    description,
    parents,
    ...(provenance === undefined ? {} : { provenance: JSON.parse(provenance) as Record<string, unknown> }),
    ...(dropped === undefined ? {} : { dropped }),
    ...(promotion === undefined ? {} : { promotion }),
    ...(origin === undefined ? {} : { origin }),
  }
}
