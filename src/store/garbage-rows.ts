import type { ClientSession, Collection as Documents, Filter } from 'mongodb'
import { dayMs, type GarbageTally } from '../domain/retention'
import type { Digest } from '../domain/version'
import { kindOf } from '../kinds'
import type { Database } from './database'
import { batches, type Collection, dropIn, type Rules } from './garbage-run'
import { namedRoots } from './garbage-versions'
import { compareDigests, digestBytes, packSorted, pageDigests } from './row-digests'
import type { DroppedSetDocument, Kept, PageDocument, RowDocument, SetDocument } from './row-documents'
import { type PageReader, type Pages, pageReader } from './row-reader'
import { readContent, type VersionDocument } from './version-documents'

const dropBatch = 500

/** Sets are marked when something is built on them, so what waits longer than this has been left behind. */
const uploadCutoff = ({ policy, now }: Rules): Date => new Date(now - Math.max(1, policy.uploadDays) * dayMs)

/** Rows that would go if only these roots stayed, and what is being uploaded. */
export async function measureRows(database: Database, roots: ReadonlySet<Digest>, of: Rules): Promise<GarbageTally> {
  const cutoff = uploadCutoff(of)
  let tally: GarbageTally = { count: 0, bytes: 0 }
  const stays = ({ _id, at }: Pick<SetDocument, '_id' | 'at'>) => roots.has(_id) || at >= cutoff
  for await (const { bytes } of unneededRows(database, await standingSets(database, stays), cutoff)) {
    tally = { count: tally.count + 1, bytes: tally.bytes + bytes }
  }
  return tally
}

/** Sets first, then the pages and rows that no set has: a set that can be found is whole. */
export async function dropRows(database: Database, run: Collection): Promise<void> {
  const cutoff = uploadCutoff(run)
  await dropSets(database, await namedRoots(database), run)
  const standing = await standingSets(database, () => true)
  await dropPages(database, standing, run)
  const rows = database.collection<RowDocument>('rows')
  for await (const batch of batches(unneededRows(database, standing, cutoff), dropBatch)) {
    const ids = batch.map(({ _id }) => _id)
    await dropIn(database, run, async (session) => {
      const old = rows.find(oldOf(ids, cutoff), { projection: { bytes: 1 }, session })
      const bytes = (await old.toArray()).reduce((sum, row) => sum + row.bytes, 0)
      return { count: await dropOld(rows, { ids, cutoff }, session), bytes }
    })
  }
}

const oldOf = <T extends Kept>(ids: readonly Digest[], cutoff: Date) =>
  ({ _id: { $in: [...ids] }, at: { $lt: cutoff } }) as unknown as Filter<T>

/** The mark is asked in the write itself: a row that was asked for again since stays. */
async function dropOld<T extends Kept>(
  from: Documents<T>,
  { ids, cutoff }: { readonly ids: readonly Digest[]; readonly cutoff: Date },
  session: ClientSession,
): Promise<number> {
  return (await from.deleteMany(oldOf(ids, cutoff), { session })).deletedCount
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
    await dropIn(database, run, async (session) => {
      const { deletedCount } = await sets.deleteOne({ _id, at: { $lt: cutoff } }, { session })
      const named = once.get(_id)
      if (deletedCount === 0 || named === undefined) return nothing
      const at = await database.now(session)
      const tombstone = { at, by: run.by, why: named, run: run.id, count, bytes }
      await tombstones.replaceOne({ _id }, tombstone, { session, upsert: true })
      return nothing
    })
  }
}

/** Rows are counted, not the sets and pages that name them. */
const nothing: GarbageTally = { count: 0, bytes: 0 }

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

async function dropPages(database: Database, standing: readonly SetDocument[], run: Collection): Promise<void> {
  const cutoff = uploadCutoff(run)
  const pages = database.collection<PageDocument>('row_pages')
  for await (const batch of batches(unneededPages(database, standing, cutoff), dropBatch)) {
    await dropIn(database, run, async (session) => {
      await dropOld(pages, { ids: batch, cutoff }, session)
      return nothing
    })
  }
}

async function* unneededPages(
  database: Database,
  standing: readonly SetDocument[],
  cutoff: Date,
): AsyncGenerator<Digest> {
  const needed = new Set(standing.flatMap(({ pages }) => pages))
  const pages = database.collection<PageDocument>('row_pages')
  for await (const { _id } of pages.find({ at: { $lt: cutoff } }, { projection: { _id: 1 } })) {
    if (!needed.has(_id)) yield _id
  }
}

type OldRow = Pick<RowDocument, '_id' | 'bytes'>

/** Rows that are looked for at once, about 300 bytes each: memory grows neither with their number nor with that of sets. */
const rowsTogether = 200_000
/** Sets whose next page is read in one question: most sets have one page, and a page has up to 128 KiB. */
const setsTogether = 64

/** Old rows in order of their digests, a block at a time, each block held against every set. */
async function* unneededRows(
  database: Database,
  standing: readonly SetDocument[],
  cutoff: Date,
): AsyncGenerator<OldRow> {
  const rows = database.collection<RowDocument>('rows')
  const old = rows.find({ at: { $lt: cutoff } }, { projection: { bytes: 1 } }).sort({ _id: 1 })
  const places = standing.map((set) => ({ set, page: 0 }))
  for await (const block of batches(old as AsyncIterable<OldRow>, rowsTogether)) {
    const packed = packSorted(block.map(({ _id }) => _id))
    const isNeeded = new Uint8Array(block.length)
    for (let from = 0; from < places.length; from += setsTogether) {
      await markTogether(database, places.slice(from, from + setsTogether), { packed, isNeeded })
    }
    for (const [index, row] of block.entries()) if (isNeeded[index] === 0) yield row
  }
}

interface Block {
  readonly packed: Buffer
  /** Of each row of the block: 1 where a set has it. */
  readonly isNeeded: Uint8Array
}

interface Place {
  readonly set: SetDocument
  /** In which the block before ended. */
  page: number
}

async function markTogether(database: Database, places: readonly Place[], block: Block): Promise<void> {
  const next = places.flatMap(({ set, page }) => set.pages[page] ?? [])
  const read = await pageReader(database).pages([...new Set(next)])
  for (const place of places) await markStanding(database, place, { block, read })
}

/** What of the pages was read before is not read again. */
interface Marking {
  readonly block: Block
  readonly read: Pages
}

/** A set that another worker on the same run dropped meanwhile needs nothing any more. */
async function markStanding(database: Database, place: Place, marking: Marking): Promise<void> {
  try {
    await markNeeded(pageReader(database), place, marking)
  } catch (error) {
    const sets = database.collection<SetDocument>('row_sets')
    if ((await sets.findOne({ _id: place.set._id }, { projection: { _id: 1 } })) !== null) throw error
  }
}

async function markNeeded(pages: PageReader, place: Place, { block, read }: Marking): Promise<void> {
  let at = 0
  let page = place.page
  for await (const digests of pages.digests(place.set, page * pageDigests, read)) {
    place.page = page
    page += 1
    for (let of = 0; of < digests.length && at < block.packed.length; ) {
      const order = compareDigests(digests, of, block.packed, at)
      if (order === 0) block.isNeeded[at / digestBytes] = 1
      if (order <= 0) of += digestBytes
      else at = seek(block.packed, at, digests, of)
    }
    if (at >= block.packed.length) return
  }
}

/**
 * Where the first digest is that is not below this one, given that the one at `from` is. Near places are tried first: a
 * set that is as dense as the block costs a step a digest, and a small one the logarithm of what it leaves out.
 */
function seek(packed: Buffer, from: number, digests: Buffer, of: number): number {
  let low = from
  let step = digestBytes
  while (low + step < packed.length && compareDigests(digests, of, packed, low + step) > 0) {
    low += step
    step *= 2
  }
  let high = Math.min(low + step, packed.length)
  while (high - low > digestBytes) {
    const middle = low + Math.floor((high - low) / digestBytes / 2) * digestBytes
    if (compareDigests(digests, of, packed, middle) > 0) low = middle
    else high = middle
  }
  return high
}
