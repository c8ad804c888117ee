import type { Digest } from '../domain/version'
import type { CompositeDocument } from './composite-documents'
import type { Database } from './database'
import type { VersionDocument } from './version-documents'

export type StoredVersion = Omit<VersionDocument, 'content'>

/** Something that a walk reached: lineage needs no contents. */
export type Stored =
  | { readonly id: string; readonly version: StoredVersion }
  | { readonly id: Digest; readonly composite: CompositeDocument }
  | { readonly id: Digest; readonly unknown: Digest }

/** What is stored under some digests. */
export interface LineagePage {
  /** All labels of a content, the first registered first. */
  readonly versions: ReadonlyMap<Digest, readonly StoredVersion[]>
  readonly composites: ReadonlyMap<Digest, CompositeDocument>
}

export const withoutContent = { content: 0 } as const
/** The sets of digests can be long, and lineage does not look at them. */
export const withoutClosure = { closure: 0 } as const

/** Labels that one level of a walk loads. */
const maxLabels = 20_000

export async function loadPage(database: Database, digests: readonly Digest[]): Promise<LineagePage> {
  const wanted = [...new Set(digests)]
  const labels = await database
    .collection<VersionDocument>('versions')
    .find({ digest: { $in: wanted } }, { projection: withoutContent })
    .limit(maxLabels)
    .toArray()
  const versions = new Map<Digest, StoredVersion[]>()
  for (const label of labels.sort(byAge)) versions.set(label.digest, [...(versions.get(label.digest) ?? []), label])
  const composites = await database
    .collection<CompositeDocument>('composites')
    .find({ _id: { $in: wanted } }, { projection: withoutClosure })
    .toArray()
  return { versions, composites: new Map(composites.map((one) => [one._id, one])) }
}

/** The moment at which it was made, wherever that was. */
const madeAt = ({ createdAt, origin }: StoredVersion): number => (origin?.createdAt ?? createdAt).getTime()

export const byAge = (a: StoredVersion, b: StoredVersion): number =>
  madeAt(a) - madeAt(b) || (a._id < b._id ? -1 : a._id === b._id ? 0 : 1)

/**
 * The label that a version means by a digest: the newest that is older than itself, so that going back to an earlier
 * content leads to its earlier label and not in a circle. Of a promoted one its experiment, which has the same content.
 */
export function labelMeant(page: LineagePage, by: StoredVersion, digest: Digest): StoredVersion | undefined {
  const labels = (page.versions.get(digest) ?? []).filter(({ _id }) => _id !== by._id)
  const experiment = digest === by.digest ? by.promotion?.winner.ref : undefined
  return (
    labels.find(({ _id }) => _id === experiment) ?? labels.findLast((label) => byAge(label, by) < 0) ?? labels.at(0)
  )
}
