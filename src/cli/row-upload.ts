import { maxRowBytes } from '../domain/row'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import type { RowSet } from '../kinds/kind'
import { canonicalJson, textDigest } from '../store/canonical'
import type { ApiClient } from './client'
import type { FileRow } from './row-file'
import { malformed } from './workspace-file'

/** One upload stays under both: the API takes 1000 rows and 4 MB. */
const batchRows = 1000
const batchBytes = 3_600_000
/** Batches that are under way at once; while all are, no further row is read. */
export const maxBatchesUnderWay = 4
/** Sets that the API merges in one call. */
const mergedTogether = 128
/** A row may be dropped, being unused, between the question whether it is stored and the put. */
const maxPuts = 3

export interface UploadState {
  readonly rows: number
  /** Rows that the server did not have yet. */
  readonly sent: number
  /** Of the file. */
  readonly bytes: number
}

/**
 * Stores the rows of a file as one set, in memory that does not depend on their number. Rows that the server has are not
 * sent again, so an upload that broke off goes on where it was. `told` hears of every batch.
 */
export async function uploadRows(
  api: ApiClient,
  source: { readonly file: string; readonly rows: AsyncIterable<FileRow> },
  told: (state: UploadState) => void,
): Promise<RowSet & { readonly sent: number }> {
  const sets = createMerger(api)
  const state = { rows: 0, sent: 0, bytes: 0 }
  const underWay = new Set<Promise<void>>()
  const put = async (batch: readonly BatchRow[]): Promise<void> => {
    const { root, sent } = await putBatch(api, batch)
    sets.add(root)
    state.rows += batch.length
    state.sent += sent
    state.bytes = Math.max(state.bytes, batch.at(-1)?.end ?? 0)
    told(state)
  }
  for await (const batch of batchesOf(source.rows, source.file)) {
    const task = put(batch).finally(() => underWay.delete(task))
    // Whoever waits for it below hears of a failure; until then it must not count as unheard.
    task.catch(() => undefined)
    underWay.add(task)
    if (underWay.size === maxBatchesUnderWay) await Promise.race(underWay)
    await sets.mergeFull()
  }
  await Promise.all(underWay)
  return { ...(await sets.merged()), sent: state.sent }
}

interface BatchRow {
  readonly digest: Digest
  readonly row: FileRow['row']
  readonly end: number
}

async function* batchesOf(rows: AsyncIterable<FileRow>, file: string): AsyncGenerator<readonly BatchRow[]> {
  let batch: BatchRow[] = []
  let bytes = 0
  for await (const { row, line, end } of rows) {
    const text = canonicalJson(row)
    const size = Buffer.byteLength(text) + 1
    if (size > maxRowBytes) throw malformed(file, line, `is larger than ${maxRowBytes} bytes`)
    if (batch.length === batchRows || (batch.length > 0 && bytes + size > batchBytes)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push({ digest: textDigest(text), row, end })
    bytes += size
  }
  if (batch.length > 0) yield batch
}

interface PutAnswer {
  readonly missing: readonly Digest[]
  readonly root?: Digest
}

/** Asks by digest first, then sends what is missing. */
async function putBatch(api: ApiClient, batch: readonly BatchRow[]) {
  let missing: ReadonlySet<Digest> = new Set()
  let sent = 0
  for (let attempt = 0; attempt <= maxPuts; attempt += 1) {
    const rows = withoutRepeats(batch, missing)
    const answer: PutAnswer = await api.post('/v1/datasets/rows', { rows })
    if (answer.root !== undefined) return { root: answer.root, sent }
    missing = new Set([...missing, ...answer.missing])
    sent = missing.size
  }
  throw new SluiceError('internal', 'Rows are dropped as fast as they are sent. Push again.')
}

/** Each missing row once, with all others by their digest. */
function withoutRepeats(batch: readonly BatchRow[], missing: ReadonlySet<Digest>): readonly unknown[] {
  const given = new Set<Digest>()
  return batch.map(({ digest, row }) => {
    if (!missing.has(digest) || given.has(digest)) return digest
    given.add(digest)
    return row
  })
}

/** Sets of rows become one by merging them a few at a time; few are waiting whatever the number of rows. */
function createMerger(api: ApiClient) {
  /** By how often they were merged. */
  const levels: Digest[][] = [[]]
  const merge = (roots: readonly Digest[]) => api.post<RowSet>('/v1/datasets/merge', { roots })
  const add = (root: Digest, level = 0): void => {
    const sets = levels[level] ?? []
    levels[level] = sets
    sets.push(root)
  }
  return {
    add,
    async mergeFull(): Promise<void> {
      for (let level = 0; level < levels.length; level += 1) {
        const sets = levels[level] ?? []
        if (sets.length >= mergedTogether) add((await merge(sets.splice(0, mergedTogether))).root, level + 1)
      }
    },
    async merged(): Promise<RowSet> {
      let roots = levels.flat()
      while (roots.length > mergedTogether) {
        roots = [(await merge(roots.slice(0, mergedTogether))).root, ...roots.slice(mergedTogether)]
      }
      return merge(roots)
    },
  }
}
