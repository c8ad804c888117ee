import type { Collection as Documents, Filter } from 'mongodb'
import { dayMs, type GarbageTally } from '../domain/retention'
import type { Digest } from '../domain/version'
import { kindOf } from '../kinds'
import type { Database } from './database'
import { type Collection, namedRoots } from './garbage-versions'
import { compareDigests, createDigestCursor, type DigestCursor, mergeSorted, packDigest } from './row-digests'
import type { DroppedSetDocument, Kept, PageDocument, RowDocument, SetDocument } from './row-documents'
import { pageReader } from './row-reader'
import { readContent, type VersionDocument } from './version-documents'

const dropBatch = 500

/** Sets are marked when something is built on them, so what waits longer than this has been left behind. */
const uploadCutoff = ({ policy, now }: Pick<Collection, 'policy' | 'now'>): Date =>
  new Date(now - Math.max(1, policy.uploadDays) * dayMs)

/** Rows that would go if only these roots stayed, and what is being uploaded. Two pages of each set are in memory. */
export async function measureRows(
  database: Database,
  roots: ReadonlySet<Digest>,
  of: Pick<Collection, 'policy' | 'now'>,
): Promise<GarbageTally> {
  const cutoff = uploadCutoff(of)
  let tally: GarbageTally = { count: 0, bytes: 0 }
  const stays = ({ _id, at }: Pick<SetDocument, '_id' | 'at'>) => roots.has(_id) || at >= cutoff
  for await (const { bytes } of unneededRows(database, await standingSets(database, stays), cutoff)) {
    tally = { count: tally.count + 1, bytes: tally.bytes + bytes }
  }
  return tally
}

/** Sets first, then the pages and rows that no set has: a set that can be found is whole. */
export async function dropRows(database: Database, run: Collection): Promise<GarbageTally> {
  const cutoff = uploadCutoff(run)
  await dropSets(database, await namedRoots(database), run)
  const standing = await standingSets(database, () => true)
  await dropPages(database, standing, cutoff)
  const rows = database.collection<RowDocument>('rows')
  let tally: GarbageTally = { count: 0, bytes: 0 }
  let batch: Pick<RowDocument, '_id' | 'bytes'>[] = []
  const drop = async () => {
    const sizes = new Map(batch.map(({ _id, bytes }) => [_id, bytes]))
    const count = await dropOld(rows, [...sizes.keys()], cutoff)
    const bytes = [...sizes.values()].reduce((sum, size) => sum + size, 0)
    tally = { count: tally.count + count, bytes: tally.bytes + (count === sizes.size ? bytes : 0) }
    batch = []
  }
  for await (const row of unneededRows(database, standing, cutoff)) {
    batch.push(row)
    if (batch.length >= dropBatch) await drop()
  }
  if (batch.length > 0) await drop()
  return tally
}

/** The mark is asked in the write itself: a row that was asked for again since stays. */
async function dropOld<T extends Kept>(from: Documents<T>, ids: readonly Digest[], cutoff: Date): Promise<number> {
  const old = { _id: { $in: [...ids] }, at: { $lt: cutoff } } as unknown as Filter<T>
  return (await from.deleteMany(old)).deletedCount
}

async function dropSets(database: Database, roots: ReadonlySet<Digest>, run: Collection): Promise<void> {
  const cutoff = uploadCutoff(run)
  const sets = database.collection<SetDocument>('row_sets')
  const tombstones = database.collection<DroppedSetDocument>('dropped_sets')
  const once = await droppedRoots(database)
  for await (const { _id, count, bytes } of sets.find(
    { at: { $lt: cutoff } },
    { projection: { count: 1, bytes: 1 } },
  )) {
    if (roots.has(_id)) continue
    await database.transact(async (session) => {
      const { deletedCount } = await sets.deleteOne({ _id, at: { $lt: cutoff } }, { session })
      const named = once.get(_id)
      if (deletedCount === 0 || named === undefined) return
      const at = await database.now(session)
      const tombstone = { at, by: run.by, why: named, run: run.id, count, bytes }
      await tombstones.replaceOne({ _id }, tombstone, { session, upsert: true })
    })
  }
}

/** Roots that versions had named before their rows were dropped, with why. */
async function droppedRoots(database: Database): Promise<ReadonlyMap<Digest, string>> {
  const found = new Map<Digest, string>()
  const versions = database.collection<VersionDocument>('versions').find({ 'dropped.what': 'rows' })
  for await (const document of versions) {
    const set = kindOf(document.kind).rowsOf?.(readContent(document))
    if (set !== undefined) found.set(set.root, `the rows of ${document._id}: ${document.dropped?.why ?? ''}`)
  }
  return found
}

async function standingSets(
  database: Database,
  stays: (set: Pick<SetDocument, '_id' | 'at'>) => boolean,
): Promise<readonly SetDocument[]> {
  const sets: SetDocument[] = []
  const found = database.collection<SetDocument>('row_sets').find({}, { projection: { columns: 0 } })
  for await (const set of found) if (stays(set)) sets.push(set)
  return sets
}

async function dropPages(database: Database, standing: readonly SetDocument[], cutoff: Date): Promise<void> {
  const needed = new Set(standing.flatMap(({ pages }) => pages))
  const pages = database.collection<PageDocument>('row_pages')
  let batch: Digest[] = []
  for await (const { _id } of pages.find({ at: { $lt: cutoff } }, { projection: { _id: 1 } })) {
    if (needed.has(_id)) continue
    batch.push(_id)
    if (batch.length < dropBatch) continue
    await dropOld(pages, batch, cutoff)
    batch = []
  }
  if (batch.length > 0) await dropOld(pages, batch, cutoff)
}

/** One walk over two sorted lists: the rows that are stored, and those that sets have. */
async function* unneededRows(
  database: Database,
  standing: readonly SetDocument[],
  cutoff: Date,
): AsyncGenerator<Pick<RowDocument, '_id' | 'bytes'>> {
  const pages = pageReader(database)
  const needed = createDigestCursor(mergeSorted(standing.map((set) => pages.digests(set))))
  await needed.fill()
  const rows = database.collection<RowDocument>('rows')
  const old = rows.find({ at: { $lt: cutoff } }, { projection: { bytes: 1 } }).sort({ _id: 1 })
  for await (const row of old) if (!(await has(needed, packDigest(row._id)))) yield row
}

async function has(sorted: DigestCursor, digest: Buffer): Promise<boolean> {
  while (sorted.page !== undefined) {
    const order = compareDigests(sorted.page, sorted.at, digest, 0)
    if (order >= 0) return order === 0
    sorted.at += digest.length
    await sorted.fill()
  }
  return false
}
