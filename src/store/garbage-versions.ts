import type { ClientSession, Document } from 'mongodb'
import { dayMs, experimentCutoff, type GarbageItem, type GarbageTally } from '../domain/retention'
import { type Digest, type Dropped, type KindName, kindNames } from '../domain/version'
import { kindOf } from '../kinds'
import type { Database } from './database'
import type { Reach } from './garbage-reach'
import { batches, type Collection, dropIn, type Rules } from './garbage-run'
import { readContent, type VersionDocument } from './version-documents'
import { lastUsedAt, unusedSince } from './version-uses'

const dropBatch = 100
/** Contents of these are needed as long as there are labels: later versions are held against them. */
const isHeldAgainst = (kind: KindName): boolean => {
  const { immutable, claim } = kindOf(kind)
  return immutable !== undefined || claim !== undefined
}
const rowKinds = kindNames.filter((kind) => kindOf(kind).rowsOf !== undefined)
const contentKinds = kindNames.filter((kind) => !isHeldAgainst(kind) && !rowKinds.includes(kind))

export const isDroppableKind = (kind: KindName): boolean => !isHeldAgainst(kind)
export const hasRows = (kind: KindName): boolean => rowKinds.includes(kind)

type Candidate = Pick<VersionDocument, '_id' | 'kind' | 'digest' | 'createdAt' | 'usedAt'> & { readonly bytes: number }

/** Never above what marks need to protect (see `markUsed`): the shortest clock is a day. */
export function droppableSince({ policy, now }: Rules): Date {
  return new Date(Math.min(experimentCutoff(policy, now), now - dayMs))
}

/** Heavy versions that nothing needs and nobody used lately, by label. The database measures contents; none is sent. */
export async function* droppable(
  database: Database,
  reach: Pick<Reach, 'isNeeded'>,
  of: Rules,
): AsyncGenerator<GarbageItem> {
  const cutoff = droppableSince(of)
  const pipeline: Document[] = [
    { $match: { dropped: { $exists: false }, kind: { $in: [...contentKinds, ...rowKinds] }, ...unusedSince(cutoff) } },
    { $project: { kind: 1, digest: 1, createdAt: 1, usedAt: 1, bytes: { $strLenBytes: '$content' } } },
    { $match: { $or: [{ kind: { $in: rowKinds } }, { bytes: { $gt: of.policy.heavyBytes } }] } },
    { $sort: { _id: 1 } },
  ]
  const versions = database.collection<VersionDocument>('versions')
  const found = versions.aggregate<Candidate>(pipeline, { allowDiskUse: true })
  for await (const candidate of found) if (!reach.isNeeded(candidate.digest)) yield itemOf(candidate)
}

function itemOf({ _id, kind, digest, bytes, ...used }: Candidate): GarbageItem {
  const lastUsed = lastUsedAt(used)
  const why = `nothing that serves or served needs it, and it was last used at ${new Date(lastUsed).toISOString()}`
  const rows = hasRows(kind)
  return { ref: _id, kind, digest, what: rows ? 'rows' : 'content', bytes: rows ? 0 : bytes, lastUsedAt: lastUsed, why }
}

/** Drops them batch by batch, each batch in one transaction; what came into use meanwhile stays. */
export async function dropVersions(database: Database, reach: Reach, run: Collection): Promise<void> {
  for await (const batch of batches(droppable(database, reach, run), dropBatch)) {
    await dropIn(database, run, (session) => dropBatchIn(database, batch, run, session))
  }
}

/**
 * All labels of a content go or none does. That the mark is old is asked in the transaction that empties the content:
 * whoever marks it at the same time writes the same document, and one of the two starts again and finds the other.
 */
async function dropBatchIn(
  database: Database,
  items: readonly GarbageItem[],
  run: Collection,
  session: ClientSession,
): Promise<GarbageTally> {
  const versions = database.collection<VersionDocument>('versions')
  const cutoff = droppableSince(run)
  const digests = [...new Set(items.map(({ digest }) => digest))]
  const used = await usedAgain(database, digests, cutoff, session)
  const wanted = items.filter(({ digest }) => !used.has(digest))
  const unused = { _id: { $in: wanted.map(({ ref }) => ref) }, dropped: { $exists: false }, ...unusedSince(cutoff) }
  const still = new Set(await versions.distinct('_id', unused, { session }))
  const going = wanted.filter(({ ref }) => still.has(ref))
  if (going.length === 0) return { count: 0, bytes: 0 }
  const at = await database.now(session)
  const writes = going.map(({ ref, what, bytes, why }) => {
    const dropped: Dropped = { what, at, by: run.by, why, run: run.id, bytes }
    return {
      updateOne: {
        filter: { _id: ref },
        update: { $set: { dropped, ...(what === 'content' ? { content: '' } : {}) } },
      },
    }
  })
  await versions.bulkWrite(writes, { session })
  return { count: going.length, bytes: going.reduce((sum, { bytes }) => sum + bytes, 0) }
}

/** Contents with a label that was used since, and those that something registered or composed since refers to. */
async function usedAgain(
  database: Database,
  digests: readonly Digest[],
  cutoff: Date,
  session: ClientSession,
): Promise<ReadonlySet<Digest>> {
  const among = { $in: [...digests] }
  const since = { $or: [{ createdAt: { $gte: cutoff } }, { usedAt: { $gte: cutoff } }] }
  const versions = database.collection<VersionDocument>('versions')
  const labels = await versions.distinct('digest', { digest: among, ...since }, { session })
  const referring = await versions.distinct('references.digest', { 'references.digest': among, ...since }, { session })
  const composites = database.collection<{ _id: Digest; pins: readonly { digest: Digest }[] }>('composites')
  const pinning = await composites.distinct('pins.digest', { 'pins.digest': among, ...since }, { session })
  return new Set([...labels, ...referring, ...pinning])
}

/** Roots of all datasets whose rows are to stay, if these, by label, were dropped. */
export async function namedRoots(
  database: Database,
  going: ReadonlySet<string> = new Set(),
): Promise<ReadonlySet<Digest>> {
  const roots = new Set<Digest>()
  const standing = database
    .collection<VersionDocument>('versions')
    .find({ kind: { $in: rowKinds }, dropped: { $exists: false } })
  for await (const document of standing) {
    const set = going.has(document._id) ? undefined : kindOf(document.kind).rowsOf?.(readContent(document))
    if (set !== undefined) roots.add(set.root)
  }
  return roots
}
