import { type AnyBulkWriteOperation, Binary, type Collection, type Filter } from 'mongodb'
import { isDigest } from '../domain/ref'
import type { Digest } from '../domain/version'
import { assert, SluiceError } from '../errors'
import { maxDatasetBytes, maxDatasetRows } from '../kinds/dataset'
import type { RowSet, RowTools } from '../kinds/kind'
import { textDigest } from './canonical'
import type { Database } from './database'
import { createRootHash, type DigestPages, evenPages, mergeSorted, packSorted } from './row-digests'
import {
  addColumn,
  type ColumnCounts,
  columnsText,
  freshMs,
  insertNew,
  type Kept,
  missingRow,
  type PageDocument,
  type RowDocument,
  readColumns,
  rowDocument,
  rowSetOf,
  type SetDocument,
  unfitRow,
} from './row-documents'
import { type PageReader, pageReader } from './row-reader'

/** Rows of one `putRows`. */
export const maxPutRows = 1000
/** Sets of one `mergeSets`: two pages of each are in memory. */
export const maxMergedSets = 128
/** Pages of digests that are written at once: 2 MiB. */
const pagesTogether = 16

export interface PutRows {
  /** Of every row, in the order given. */
  readonly digests: readonly Digest[]
  /** Digests that were given for rows which are not stored; nothing was put then. */
  readonly missing: readonly Digest[]
  /** Of the rows as a set; absent where some are missing. */
  readonly root?: Digest
}

/**
 * Rows of datasets, each stored once by its digest, and sets of them by their root. Everything is named by its content:
 * a call that is repeated, or made by two at once, writes the same again, and what an upload that broke off leaves
 * behind changes nothing.
 */
export interface RowStore extends RowTools {
  /** Rows, or digests of rows stored before, as a small set. Throws invalid_content. */
  putRows(rows: readonly unknown[]): Promise<PutRows>
  /** The set of all rows of these sets. Throws unknown_ref, and invalid_content where it would be too large. */
  mergeSets(roots: readonly Digest[]): Promise<RowSet>
}

export function createRowStore(database: Database): RowStore {
  const rows = database.collection<RowDocument>('rows')
  const pages = pageReader(database)
  const put = async (values: readonly unknown[], at: Date): Promise<PutRows> => {
    const given = values.map((value, place) =>
      typeof value === 'string' ? named(value, place) : rowDocument(value, place, at),
    )
    const digests = given.map((entry) => (typeof entry === 'string' ? entry : entry._id))
    const sent = new Map(given.flatMap((entry) => (typeof entry === 'string' ? [] : [[entry._id, entry] as const])))
    const stored = await metaOf(database, [...new Set(digests)], at)
    const missing = [...new Set(digests)].filter((digest) => !stored.has(digest) && !sent.has(digest))
    if (missing.length > 0) return { digests, missing }
    const fresh = [...sent.values()].filter((row) => !stored.has(row._id))
    const metas = digests.map((digest) => stored.get(digest) ?? (sent.get(digest) as RowMeta))
    const [paged] = await Promise.all([
      keepPages(database, [packSorted(digests)], at),
      fresh.length === 0 ? undefined : insertNew(() => rows.insertMany(fresh, { ordered: false })),
    ])
    await keepSet(database, paged, { ...totalsOf(metas), at })
    return { digests, missing: [], root: paged.root }
  }
  const merge = (roots: readonly Digest[], at: Date) => mergeSets(database, pages, { roots, at })
  return {
    putRows: async (values) => put(values, await clockOf(database)),
    mergeSets: async (roots) => merge(roots, await clockOf(database)),
    async setOfRows(values) {
      const at = await clockOf(database)
      const roots: Digest[] = []
      for (let place = 0; place < values.length; place += maxPutRows) {
        const { root, missing } = await put(values.slice(place, place + maxPutRows), at)
        if (root === undefined) throw missingRow(missing[0] as Digest)
        roots.push(root)
      }
      return merge(roots, at)
    },
    async rowSet(root) {
      const [set] = await heldSets(database, pages, [root], await clockOf(database))
      assert(set !== undefined, 'a set that was asked for is there')
      return rowSetOf(set)
    },
  }
}

const clockOf = async (database: Database): Promise<Date> => new Date(await database.now())

function named(text: string, place: number): Digest {
  if (!isDigest(text)) throw unfitRow(place, 'is neither a JSON object nor the digest of a stored row')
  return text
}

type RowMeta = Pick<RowDocument, '_id' | 'bytes' | 'shape'>

/** What is known of those that are stored; each is marked as asked for now. */
async function metaOf(database: Database, digests: readonly Digest[], at: Date): Promise<ReadonlyMap<Digest, RowMeta>> {
  const rows = database.collection<RowDocument>('rows')
  const found = await rows
    .find({ _id: { $in: [...digests] } }, { projection: { bytes: 1, shape: 1, at: 1 }, batchSize: digests.length + 1 })
    .toArray()
  const old = found.filter((row) => isStale(row.at, at)).map((row) => row._id)
  if (old.length === 0) return new Map(found.map((row) => [row._id, row]))
  await rows.updateMany({ _id: { $in: old } }, { $max: { at } })
  // One that was dropped between the two must not be counted on.
  const still = await rows.find({ _id: { $in: old } }, { projection: { _id: 1 } }).toArray()
  const gone = new Set(old.filter((digest) => !still.some((row) => row._id === digest)))
  return new Map(found.filter((row) => !gone.has(row._id)).map((row) => [row._id, row]))
}

interface Totals {
  readonly count: number
  readonly bytes: number
  readonly columns: ColumnCounts
}

function totalsOf(rows: readonly RowMeta[]): Totals {
  const shapes = new Map<string, number>()
  for (const { shape } of rows) shapes.set(shape, (shapes.get(shape) ?? 0) + 1)
  const columns: ColumnCounts = new Map()
  for (const [shape, count] of shapes) {
    const types = Object.entries(JSON.parse(shape) as Record<string, string>)
    for (const [key, type] of types) addColumn(columns, key, [type], count)
  }
  return { count: rows.length, bytes: rows.reduce((sum, row) => sum + row.bytes, 0), columns }
}

/** Sets that something is about to be built on, marked as asked for now: then their rows and pages stay, too. */
async function heldSets(database: Database, pages: PageReader, roots: readonly Digest[], at: Date) {
  const sets = await pages.sets(roots)
  const old = [...new Set(sets.filter((set) => isStale(set.at, at)).map((set) => set._id))]
  if (old.length === 0) return sets
  await database.collection<SetDocument>('row_sets').updateMany({ _id: { $in: old } }, { $max: { at } })
  // One that was dropped between the two must not be built on.
  return pages.sets(roots)
}

async function mergeSets(
  database: Database,
  pages: PageReader,
  { roots, at }: { readonly roots: readonly Digest[]; readonly at: Date },
): Promise<RowSet> {
  assert(roots.length > 0 && roots.length <= maxMergedSets, 'a merge takes one set or more, within its limit')
  const sets = await heldSets(database, pages, roots, at)
  const columns: ColumnCounts = new Map()
  for (const set of sets) {
    for (const [key, types, count] of readColumns(set.columns)) addColumn(columns, key, types, count)
  }
  const count = sets.reduce((sum, set) => sum + set.count, 0)
  const bytes = sets.reduce((sum, set) => sum + set.bytes, 0)
  requireDatasetSize(count, bytes)
  const paged = await keepPages(database, mergeSorted(sets.map((set) => pages.digests(set))), at)
  return keepSet(database, paged, { count, bytes, columns, at })
}

/** A sorted list as it is kept: in pages, under its root. */
interface Paged {
  readonly root: Digest
  readonly pages: Digest[]
}

async function keepPages(database: Database, sorted: DigestPages, at: Date): Promise<Paged> {
  const collection = database.collection<PageDocument>('row_pages')
  const hash = createRootHash()
  const pages: Digest[] = []
  let waiting: PageDocument[] = []
  for await (const page of evenPages(sorted)) {
    hash.add(page)
    const name = textDigest(page)
    pages.push(name)
    waiting.push({ _id: name, digests: new Binary(page), at })
    if (waiting.length < pagesTogether) continue
    await keep(collection, waiting)
    waiting = []
  }
  await keep(collection, waiting)
  return { root: hash.root(), pages }
}

/** Comes after the rows and the pages: whoever finds the set finds all of it. */
async function keepSet(
  database: Database,
  { root, pages }: Paged,
  { count, bytes, columns, at }: Totals & { readonly at: Date },
): Promise<RowSet> {
  const document = { _id: root, count, bytes, columns: columnsText(columns), pages, at }
  await keep(database.collection<SetDocument>('row_sets'), [document])
  return rowSetOf(document)
}

/** Writes what is not there, and marks what was asked for long ago as asked for now. */
async function keep<T extends Kept>(collection: Collection<T>, documents: readonly T[]): Promise<void> {
  if (documents.length === 0) return
  const names = { _id: { $in: documents.map((document) => document._id) } } as Filter<T>
  const standing = await collection.find(names, { projection: { at: 1 } }).toArray()
  const marks = new Map(standing.map(({ _id, at }) => [_id as Digest, at as Date]))
  const writes = documents
    .filter(({ _id, at }) => isStale(marks.get(_id), at))
    .map(({ _id, at, ...content }) => ({
      updateOne: { filter: { _id }, update: { $max: { at }, $setOnInsert: content }, upsert: true },
    }))
  if (writes.length === 0) return
  await insertNew(() => collection.bulkWrite(writes as unknown as AnyBulkWriteOperation<T>[], { ordered: false }))
}

const isStale = (mark: Date | undefined, at: Date): boolean =>
  mark === undefined || at.getTime() - mark.getTime() > freshMs

function requireDatasetSize(count: number, bytes: number): void {
  if (count <= maxDatasetRows && bytes <= maxDatasetBytes) return
  const limit = `${maxDatasetRows} rows and ${maxDatasetBytes} bytes`
  throw new SluiceError('invalid_content', `The dataset has ${count} rows and ${bytes} bytes; the limit is ${limit}.`)
}
