import { MongoBulkWriteError } from 'mongodb'
import { isRecord } from '../domain/diff'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import { maxDatasetRows, rowColumns } from '../kinds/dataset'
import type { RowTools, StoredRow } from '../kinds/kind'
import { canonicalJson, digestOf, textDigest } from './canonical'
import type { CollectionSpec, Database } from './database'

/** A row travels in one request body, so it stays under the API's limit. */
export const maxRowBytes = 3_500_000
const maxDatasetBytes = 512 * 1024 * 1024
const maxRowColumns = 200
const pageRows = 500
const duplicateKey = 11_000

interface RowDocument {
  _id: Digest
  /** RFC 8785 text: BSON would lose the order and the meaning of keys such as `$ref`. */
  text: string
  bytes: number
  /** Pairs, since keys may hold dots and dollars. */
  columns: [key: string, type: string][]
}

interface RowSetDocument {
  _id: Digest
  count: number
  /** Sorted; a digest stands as often as its row does. 20,000 digests are 1.5 MB, far below a document's limit. */
  digests: Digest[]
}

export const rowCollections: readonly CollectionSpec[] = [{ name: 'rows' }, { name: 'row_sets' }]

export interface DatasetRow {
  readonly digest: Digest
  readonly row: unknown
}

/** Rows of datasets: each stored once by its digest, datasets remembered as sets of digests. */
export interface RowStore extends RowTools {
  /** In order of digest. Throws unknown_ref, and digest_mismatch where a stored row was altered. */
  rows(root: Digest): AsyncIterable<DatasetRow>
}

export function createRowStore(database: Database): RowStore {
  const rows = database.collection<RowDocument>('rows')
  const sets = database.collection<RowSetDocument>('row_sets')

  const metaOf = async (digests: readonly Digest[]) => {
    const found = new Map<Digest, Omit<RowDocument, 'text'>>()
    for (const page of pagesOf([...new Set(digests)])) {
      const cursor = rows.find({ _id: { $in: page } }, { projection: { text: 0 } })
      for await (const row of cursor) found.set(row._id, row)
    }
    return digests.map((digest) => found.get(digest) ?? raise(missingRow(digest)))
  }

  return {
    async putRows(values) {
      const documents = values.map(rowDocument)
      const unique = [...new Map(documents.map((document) => [document._id, document])).values()]
      if (unique.length > 0) await insertNew(() => rows.insertMany(unique, { ordered: false }))
      return documents.map((document) => document._id)
    },
    async findRows(digests) {
      return (await metaOf(digests)).map(storedRow)
    },
    async sealRows(digests) {
      const bytes = (await metaOf(digests)).reduce((sum, row) => sum + row.bytes, 0)
      requireDatasetSize(digests.length, bytes)
      const sorted = [...digests].sort()
      const root = rootOf(sorted)
      await insertNew(() => sets.insertOne({ _id: root, count: sorted.length, digests: sorted }))
      return root
    },
    async requireRoot(root) {
      if (!(await sets.findOne({ _id: root }, { projection: { _id: 1 } }))) throw missingSet(root)
    },
    async *rows(root) {
      const set = await sets.findOne({ _id: root })
      if (!set) throw missingSet(root)
      if (rootOf(set.digests) !== root) throw alteredSet(root)
      for (const page of pagesOf([...new Set(set.digests)])) {
        let place = set.digests.indexOf(page[0] as Digest)
        for await (const row of rows.find({ _id: { $in: page } }).sort({ _id: 1 })) {
          if (textDigest(row.text) !== row._id) throw alteredRow(row._id)
          if (set.digests[place] !== row._id) throw missingRow(set.digests[place] ?? row._id)
          for (; set.digests[place] === row._id; place += 1) yield { digest: row._id, row: JSON.parse(row.text) }
        }
        if (set.digests[place - 1] !== page.at(-1)) throw missingRow(set.digests[place] ?? root)
      }
    },
  }
}

/** The same without writing: what a dataset would become. Rows given inline are kept for as long as this is held. */
export function dryRowTools(store: RowStore): RowTools {
  const fresh = new Map<Digest, RowDocument>()
  return {
    async putRows(values) {
      const documents = values.map(rowDocument)
      for (const document of documents) fresh.set(document._id, document)
      return documents.map((document) => document._id)
    },
    async findRows(digests) {
      const stored = await store.findRows(digests.filter((digest) => !fresh.has(digest)))
      const known = new Map(stored.map((row) => [row.digest, row]))
      return digests.map((digest) => {
        const row = fresh.get(digest)
        return row ? storedRow(row) : (known.get(digest) ?? raise(missingRow(digest)))
      })
    },
    async sealRows(digests) {
      return rootOf([...digests].sort())
    },
    requireRoot: (root) => store.requireRoot(root),
  }
}

/** Order-free: the same rows in any order have the same root. */
const rootOf = (sorted: readonly Digest[]): Digest => digestOf({ rows: sorted })

const storedRow = ({ _id, columns }: Omit<RowDocument, 'text'>): StoredRow => ({
  digest: _id,
  columns: Object.fromEntries(columns),
})

function rowDocument(row: unknown, place: number): RowDocument {
  if (!isRecord(row)) throw unfitRow(place, 'is no JSON object')
  const columns = Object.entries(rowColumns(row))
  if (columns.length > maxRowColumns) throw unfitRow(place, `has more than ${maxRowColumns} keys`)
  const text = canonicalJson(row)
  const bytes = Buffer.byteLength(text)
  if (bytes > maxRowBytes) throw unfitRow(place, `is larger than ${maxRowBytes} bytes`)
  return { _id: textDigest(text), text, bytes, columns }
}

function requireDatasetSize(count: number, bytes: number): void {
  if (count <= maxDatasetRows && bytes <= maxDatasetBytes) return
  const limit = `${maxDatasetRows} rows and ${maxDatasetBytes} bytes`
  throw new SluiceError('invalid_content', `The dataset has ${count} rows and ${bytes} bytes; the limit is ${limit}.`)
}

function* pagesOf<T>(items: readonly T[]): Generator<T[]> {
  for (let place = 0; place < items.length; place += pageRows) yield items.slice(place, place + pageRows)
}

/** Rows and sets are named by their content: one that is there already is the same one. */
async function insertNew(insert: () => Promise<unknown>): Promise<void> {
  try {
    await insert()
  } catch (error) {
    const failures = error instanceof MongoBulkWriteError ? [error.writeErrors].flat() : [error as { code?: unknown }]
    if (failures.length === 0 || failures.some((failure) => failure.code !== duplicateKey)) throw error
  }
}

const unfitRow = (place: number, why: string): SluiceError =>
  new SluiceError('invalid_content', `Row ${place + 1} ${why}.`, { row: place })
const missingRow = (digest: Digest): SluiceError =>
  new SluiceError('unknown_ref', `The row ${digest} was never uploaded.`, { digest })
const missingSet = (root: Digest): SluiceError =>
  new SluiceError('unknown_ref', `No dataset with the root ${root} is registered here.`, { root })
const alteredRow = (digest: Digest): SluiceError =>
  new SluiceError('digest_mismatch', `The stored row ${digest} has other content than its digest says.`, { digest })

const alteredSet = (root: Digest): SluiceError =>
  new SluiceError('digest_mismatch', `The stored rows of ${root} are not those that its root stands for.`, { root })

function raise(error: Error): never {
  throw error
}
