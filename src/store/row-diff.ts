import {
  type DatasetRow,
  maxListedChanges,
  type RowChange,
  type RowCounts,
  type RowDifference,
} from '../domain/row-change'
import type { Digest } from '../domain/version'
import { assert } from '../errors'
import type { Database } from './database'
import { splitSorted } from './row-digests'
import type { RowDocument } from './row-documents'
import { pageReader, type RowReader, type RowText } from './row-reader'

/** Rows of one answer, together: rows may have megabytes. */
const maxAnswerBytes = 4_000_000
const idsTogether = 1000
/** Roots never change their meaning, so what was found once holds; the pages of one diff are asked for one after another. */
const maxRemembered = 4

export interface RowDiffer {
  /** Throws unknown_ref. `after`: the `next` of the page before. */
  diffRows(from: Digest, to: Digest, page: { readonly after?: number; readonly limit: number }): Promise<RowDifference>
}

export function createRowDiffer(database: Database, reader: RowReader, maxListed = maxListedChanges): RowDiffer {
  const remembered = new Map<string, Promise<Differing>>()
  const differing = (from: Digest, to: Digest): Promise<Differing> => {
    const key = `${from} ${to}`
    const known = remembered.get(key) ?? findDiffering(database, { from, to, maxListed })
    remembered.delete(key)
    remembered.set(key, known)
    known.catch(() => remembered.delete(key))
    for (const oldest of remembered.keys()) {
      if (remembered.size <= maxRemembered) break
      remembered.delete(oldest)
    }
    return known
  }
  return {
    async diffRows(from, to, { after = 0, limit }) {
      const { counts, isWhole, changes } = await differing(from, to)
      const items: RowChange[] = []
      let place = after
      for (let bytes = 0; place < changes.length && items.length < limit && bytes < maxAnswerBytes; place += 1) {
        const read = await readChange(reader, changes[place] as Pair)
        items.push(read.item)
        bytes += read.bytes
      }
      return { from, to, counts, isWhole, items, ...(place < changes.length ? { next: place } : {}) }
    },
  }
}

/** What went and what came, by digest; both where a row was changed. */
interface Pair {
  readonly before?: Digest
  readonly after?: Digest
}

interface Differing {
  readonly counts: RowCounts
  readonly isWhole: boolean
  readonly changes: readonly Pair[]
}

async function findDiffering(
  database: Database,
  { from, to, maxListed }: { readonly from: Digest; readonly to: Digest; readonly maxListed: number },
): Promise<Differing> {
  const pages = pageReader(database)
  const [before, after] = await pages.sets([from, to])
  if (before === undefined || after === undefined || from === to) {
    return { counts: { added: 0, removed: 0, changed: 0, unchanged: before?.count ?? 0 }, isWhole: true, changes: [] }
  }
  const { removed, added, unchanged } = await splitSorted(pages.digests(before), pages.digests(after), maxListed)
  const isWhole = removed.count + added.count <= maxListed
  const changed = isWhole ? await pairsById(database, removed.listed, added.listed) : []
  const isPaired = new Set(changed.flatMap((pair) => [pair.before, pair.after]))
  return {
    isWhole,
    counts: {
      removed: removed.count - changed.length,
      added: added.count - changed.length,
      changed: changed.length,
      unchanged,
    },
    changes: [
      ...changed,
      ...removed.listed.filter((digest) => !isPaired.has(digest)).map((digest) => ({ before: digest })),
      ...added.listed.filter((digest) => !isPaired.has(digest)).map((digest) => ({ after: digest })),
    ].slice(0, maxListed),
  }
}

/** Rows of both sides with the same `id`, where each side has only one of them. */
async function pairsById(
  database: Database,
  removed: readonly Digest[],
  added: readonly Digest[],
): Promise<readonly Pair[]> {
  if (removed.length === 0 || added.length === 0) return []
  const before = await onlyOfId(database, removed)
  const after = await onlyOfId(database, added)
  const pairs: Pair[] = []
  for (const [id, digest] of before) {
    const other = after.get(id)
    if (digest !== undefined && other !== undefined) pairs.push({ before: digest, after: other })
  }
  return pairs
}

/** Id → its row; undefined where several have it. In the order of the digests. */
async function onlyOfId(
  database: Database,
  digests: readonly Digest[],
): Promise<ReadonlyMap<string, Digest | undefined>> {
  const rows = database.collection<RowDocument>('rows')
  const found = new Map<string, Digest | undefined>()
  for (let place = 0; place < digests.length; place += idsTogether) {
    const some = digests.slice(place, place + idsTogether)
    const ids = new Map<Digest, string>()
    for await (const { _id, id } of rows.find({ _id: { $in: some } }, { projection: { id: 1 } })) {
      if (id !== undefined) ids.set(_id, id)
    }
    for (const digest of some) {
      const id = ids.get(digest)
      if (id !== undefined) found.set(id, found.has(id) ? undefined : digest)
    }
  }
  return found
}

async function readChange(
  reader: RowReader,
  pair: Pair,
): Promise<{ readonly item: RowChange; readonly bytes: number }> {
  const before = pair.before === undefined ? undefined : await reader.row(pair.before)
  const after = pair.after === undefined ? undefined : await reader.row(pair.after)
  const bytes = (before?.text.length ?? 0) + (after?.text.length ?? 0)
  return { item: changeOf(before, after), bytes }
}

function changeOf(before: RowText | undefined, after: RowText | undefined): RowChange {
  if (before === undefined) {
    assert(after !== undefined, 'a change has a row on one side at least')
    return { change: 'added', ...parsed(after) }
  }
  if (after === undefined) return { change: 'removed', ...parsed(before) }
  const { id } = JSON.parse(before.text) as { readonly id: unknown }
  return { change: 'changed', id, before: parsed(before), after: parsed(after) }
}

const parsed = ({ digest, text }: RowText): DatasetRow => ({ digest, row: JSON.parse(text) })
