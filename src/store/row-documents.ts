import { type Binary, MongoBulkWriteError } from 'mongodb'
import type { DatasetColumn } from '../domain/contents'
import { isRecord } from '../domain/diff'
import { maxRowBytes, rowId, rowProblem, rowShape } from '../domain/row'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import { maxDatasetColumns } from '../kinds/dataset'
import type { RowSet } from '../kinds/kind'
import { canonicalJson, textDigest } from './canonical'
import type { CollectionSpec } from './database'

/**
 * Rows, pages of digests and sets are named by their content, so writing one again changes nothing but `at`: when it was
 * last asked for. What no version's set needs may be dropped once that is long ago.
 */
export interface Kept {
  _id: Digest
  at: Date
}

export interface RowDocument extends Kept {
  /** RFC 8785 text: BSON would lose the order and the meaning of keys such as `$ref`. */
  text: string
  bytes: number
  /** Type of each top-level key, as `rowShape` says it. */
  shape: string
  /** What pairs it with a row of another dataset, as `rowId` says it. */
  id?: string
}

/** Packed digests in order; a set of 5,000,000 rows has 1,221 of these. */
export interface PageDocument extends Kept {
  digests: Binary
}

/** Written after its pages: a set that can be found is whole. */
export interface SetDocument extends Kept {
  count: number
  bytes: number
  /** JSON, since keys may hold dots and dollars: key, types, number of rows that have it. */
  columns: string
  /** Digest of each page, in order. */
  pages: Digest[]
}

/** What is left of a set that a version had named; read where there is no set any more. */
export interface DroppedSetDocument {
  _id: Digest
  /** Milliseconds since the epoch. */
  at: number
  by: string
  why: string
  run: string
  count: number
  bytes: number
}

export const rowCollections: readonly CollectionSpec[] = [
  { name: 'rows' },
  { name: 'row_pages' },
  { name: 'row_sets', indexes: [{ key: { at: 1 } }] },
  { name: 'dropped_sets' },
]

/** Marks younger than this are left as they are: a push that is resumed would otherwise write every row again. */
export const freshMs = 3_600_000

/** Throws invalid_content naming the place. */
export function rowDocument(row: unknown, place: number, at: Date): RowDocument {
  const problem = rowProblem(row)
  if (problem !== undefined || !isRecord(row)) throw unfitRow(place, problem ?? 'is no JSON object')
  const text = canonicalJson(row)
  const bytes = Buffer.byteLength(text)
  if (bytes > maxRowBytes) throw unfitRow(place, `is larger than ${maxRowBytes} bytes`)
  const id = rowId(row)
  return { _id: textDigest(text), text, bytes, shape: rowShape(row), ...(id === undefined ? {} : { id }), at }
}

/** Key → its types, and how many rows have it. */
export type ColumnCounts = Map<string, { readonly types: Set<string>; count: number }>

/** Throws invalid_content where there are too many keys. */
export function addColumn(columns: ColumnCounts, key: string, types: readonly string[], count: number): void {
  const column = columns.get(key) ?? { types: new Set(), count: 0 }
  for (const type of types) column.types.add(type)
  column.count += count
  columns.set(key, column)
  if (columns.size <= maxDatasetColumns) return
  throw new SluiceError('invalid_content', `The rows have more than ${maxDatasetColumns} different top-level keys.`)
}

export const columnsText = (columns: ColumnCounts): string =>
  JSON.stringify(
    [...columns]
      .map(([key, { types, count }]): ColumnRow => [key, [...types].sort(), count])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )

type ColumnRow = [key: string, types: string[], count: number]
export const readColumns = (text: string): readonly ColumnRow[] => JSON.parse(text) as ColumnRow[]

export function rowSetOf({ _id, count, bytes, columns }: SetDocument): RowSet {
  const named = readColumns(columns).map(([key, types, rows]): [string, DatasetColumn] => [
    key,
    { types, required: rows === count },
  ])
  return { root: _id, count, bytes, columns: Object.fromEntries(named) }
}

const duplicateKey = 11_000

/** What is there already is the same: its name is the digest of its content. */
export async function insertNew(insert: () => Promise<unknown>): Promise<void> {
  try {
    await insert()
  } catch (error) {
    const failures = error instanceof MongoBulkWriteError ? [error.writeErrors].flat() : [error as { code?: unknown }]
    if (failures.length === 0 || failures.some((failure) => failure.code !== duplicateKey)) throw error
  }
}

export const unfitRow = (place: number, why: string): SluiceError =>
  new SluiceError('invalid_content', `Row ${place + 1} ${why}.`, { row: place })
export const missingRow = (digest: Digest): SluiceError =>
  new SluiceError('unknown_ref', `The row ${digest} was never uploaded.`, { digest })
export const missingSet = (root: Digest): SluiceError =>
  new SluiceError('unknown_ref', `No rows are stored under the root ${root}. Push the dataset again.`, { root })
export const alteredRow = (digest: Digest): SluiceError =>
  new SluiceError('digest_mismatch', `The stored row ${digest} has other content than its digest says.`, { digest })
