import type { DatasetRow } from '../domain/row-change'
import type { Digest } from '../domain/version'
import { digestOf } from '../store/canonical'
import { createRootHash, type DigestPages, evenPages, mergeSorted, packSorted } from '../store/row-digests'
import { type RowFile, readRows } from './row-file'

/** Rows of a file by their digests alone: 32 bytes a row, so 160 MB at the most. */
export interface LocalRows {
  readonly root: Digest
  readonly count: number
  sorted(): DigestPages
}

/** Digests that are sorted at once; the lists are merged as they are read. */
const runDigests = 65_536

/** Computes the root of a file's rows without a server. Throws `malformed_file`. */
export async function hashRows(source: RowFile): Promise<LocalRows> {
  const runs: Buffer[] = []
  let run: Digest[] = []
  let count = 0
  for await (const { row } of readRows(source)) {
    run.push(digestOf(row))
    count += 1
    if (run.length < runDigests) continue
    runs.push(packSorted(run))
    run = []
  }
  runs.push(packSorted(run))
  const sorted = () => evenPages(mergeSorted(runs.map((sortedRun) => [sortedRun])))
  const hash = createRootHash()
  for await (const page of sorted()) hash.add(page)
  return { root: hash.root(), count, sorted }
}

/** The rows of a file that have these digests, in the order of the digests; each once. */
export async function findRows(source: RowFile, wanted: readonly Digest[]): Promise<readonly DatasetRow[]> {
  const found = new Map<Digest, DatasetRow>()
  if (wanted.length === 0) return []
  const sought = new Set(wanted)
  for await (const { row } of readRows(source)) {
    const digest = digestOf(row)
    if (sought.has(digest)) found.set(digest, { digest, row })
    if (found.size === sought.size) break
  }
  return [...sought].flatMap((digest) => found.get(digest) ?? [])
}
