import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import { textDigest } from './canonical'
import type { Database } from './database'
import { createRootHash, digestBytes, pageDigests, unpackDigests } from './row-digests'
import {
  alteredRow,
  type DroppedSetDocument,
  missingRow,
  missingSet,
  type PageDocument,
  type RowDocument,
  type SetDocument,
} from './row-documents'

const rowsTogether = 500

/** Sets of rows as they are stored. */
export interface PageReader {
  /** Throws unknown_ref. */
  set(root: Digest): Promise<SetDocument>
  /** In the order asked for, one as often as it is named. Throws unknown_ref. */
  sets(roots: readonly Digest[]): Promise<readonly SetDocument[]>
  /** The sorted digests of a set, a page at a time, from the page in which the row at `from` is. */
  digests(set: SetDocument, from?: number, read?: Pages): AsyncIterable<Buffer>
  /** Those of these pages that are there, in one question, to be handed to `digests`. */
  pages(names: readonly Digest[]): Promise<Pages>
}

/** Pages that were read before, by name. */
export type Pages = ReadonlyMap<Digest, PageDocument>

export function pageReader(database: Database): PageReader {
  const pages = database.collection<PageDocument>('row_pages')
  const documents = database.collection<SetDocument>('row_sets')
  const sets = async (roots: readonly Digest[]) => {
    const found = await documents.find({ _id: { $in: [...new Set(roots)] } }).toArray()
    const byRoot = new Map(found.map((set) => [set._id, set]))
    const lost = roots.find((root) => !byRoot.has(root))
    if (lost !== undefined) throw await lostSet(database, lost)
    return roots.map((root) => byRoot.get(root) ?? raise(missingSet(root)))
  }
  return {
    sets,
    set: async (root) => (await sets([root]))[0] ?? raise(missingSet(root)),
    async pages(names) {
      const found = await pages.find({ _id: { $in: [...names] } }).toArray()
      return new Map(found.map((page) => [page._id, page]))
    },
    async *digests(set, from = 0, read) {
      for (const name of set.pages.slice(Math.floor(from / pageDigests))) {
        const page = read?.get(name) ?? (await pages.findOne({ _id: name }))
        const digests = page?.digests.buffer
        if (digests === undefined) throw alteredSet(set._id, `lost the page ${name}`)
        if (textDigest(digests) !== name) throw alteredSet(set._id, `has an altered page ${name}`)
        yield Buffer.from(digests.buffer, digests.byteOffset, digests.byteLength)
      }
    },
  }
}

/** Rows that retention dropped, or that never were here. */
async function lostSet(database: Database, root: Digest): Promise<SluiceError> {
  const dropped = await database.collection<DroppedSetDocument>('dropped_sets').findOne({ _id: root })
  if (dropped === null) return missingSet(root)
  const { at, by, why } = dropped
  const text = `The rows of ${root} were dropped at ${new Date(at).toISOString()} by ${by}: ${why}. Push the dataset again.`
  return new SluiceError('content_dropped', text, { root, dropped: { at, by, why, run: dropped.run } })
}

const alteredSet = (root: Digest, what: string): SluiceError =>
  new SluiceError('digest_mismatch', `The stored set of rows ${root} ${what}.`, { root })

export interface RowText {
  readonly digest: Digest
  /** RFC 8785. */
  readonly text: string
}

/** The rows of a set in order of their digests, from the one at place `from`. */
export interface RowReader {
  /** Throws unknown_ref, content_dropped, and digest_mismatch where a stored row was altered. */
  texts(root: Digest, from?: number): AsyncIterable<RowText>
  /** One stored row. Throws the same. */
  row(digest: Digest): Promise<RowText>
}

export function createRowReader(database: Database): RowReader {
  const rows = database.collection<RowDocument>('rows')
  const pages = pageReader(database)
  /** Texts of rows whose digests stand in order, a digest as often as its row. */
  async function* textsOf(digests: readonly Digest[]): AsyncGenerator<RowText> {
    const cursor = rows.find({ _id: { $in: [...new Set(digests)] } }, { projection: { text: 1 } }).sort({ _id: 1 })
    let place = 0
    for await (const { _id, text } of cursor) {
      if (textDigest(text) !== _id) throw alteredRow(_id)
      if (digests[place] !== _id) break
      for (; digests[place] === _id; place += 1) yield { digest: _id, text }
    }
    const lost = digests[place]
    if (lost !== undefined) throw missingRow(lost)
  }
  async function* textsIn(set: SetDocument, from: number): AsyncGenerator<RowText> {
    const hash = createRootHash()
    let skipped = from % pageDigests
    for await (const page of pages.digests(set, from)) {
      hash.add(page)
      const digests = unpackDigests(page.subarray(skipped * digestBytes))
      skipped = 0
      for (let at = 0; at < digests.length; at += rowsTogether) yield* textsOf(digests.slice(at, at + rowsTogether))
    }
    // A reader that began in the middle has not seen what the root stands for.
    if (from === 0 && hash.root() !== set._id) throw alteredSet(set._id, 'has other pages than its root says')
  }
  return {
    async row(digest) {
      for await (const row of textsOf([digest])) return row
      throw missingRow(digest)
    },
    async *texts(root, from = 0) {
      try {
        yield* textsIn(await pages.set(root), from)
      } catch (error) {
        // What was dropped under the reader is told as that, and not as a row or a page that is lost.
        await pages.set(root)
        throw error
      }
    },
  }
}

function raise(error: Error): never {
  throw error
}
