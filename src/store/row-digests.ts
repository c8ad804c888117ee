import { createHash } from 'node:crypto'
import type { Digest } from '../domain/version'

/**
 * Sorted lists of row digests as pages: packed SHA-256 values, 32 bytes each, a digest as often as its row stands there.
 * All work on them goes page by page, so that memory does not grow with the number of rows.
 */
export type DigestPages = AsyncIterable<Buffer> | Iterable<Buffer>

export const digestBytes = 32
/** Digests of one page, but for the last of a list: 128 KiB. */
export const pageDigests = 4096
const prefix = 'sha256:'

/** One digest in its packed form. */
export const packDigest = (digest: Digest): Buffer => Buffer.from(digest.slice(prefix.length), 'hex')

/** All in one page, sorted. */
export const packSorted = (digests: readonly Digest[]): Buffer => Buffer.concat([...digests].sort().map(packDigest))

export function unpackDigests(page: Buffer): readonly Digest[] {
  const text = page.toString('hex')
  const width = digestBytes * 2
  return Array.from(
    { length: page.length / digestBytes },
    (_, place): Digest => `${prefix}${text.slice(place * width, (place + 1) * width)}` as Digest,
  )
}

/** Order of two packed digests, each at a place in its page. */
export function compareDigests(left: Buffer, leftAt: number, right: Buffer, rightAt: number): number {
  const order = left.readUInt32BE(leftAt) - right.readUInt32BE(rightAt)
  return order === 0 ? left.compare(right, rightAt, rightAt + digestBytes, leftAt, leftAt + digestBytes) : order
}

export interface RootHash {
  add(page: Buffer): void
  root(): Digest
}

/**
 * The root of a sorted list that comes page by page: SHA-256 of the RFC 8785 text of `{"rows":[…digests…]}`, so that it
 * says which rows there are and how often, and not in which order they came.
 */
export function createRootHash(): RootHash {
  const hash = createHash('sha256').update('{"rows":[')
  let isFirst = true
  return {
    add(page) {
      if (page.length === 0) return
      hash.update(`${isFirst ? '' : ','}"${unpackDigests(page).join('","')}"`)
      isFirst = false
    },
    root: () => `${prefix}${hash.update(']}').digest('hex')}`,
  }
}

/** One sorted list of many, holding two pages of each. */
export function mergeSorted(lists: readonly DigestPages[]): DigestPages {
  const [first = [], second] = lists
  if (second === undefined) return first
  const half = Math.ceil(lists.length / 2)
  return mergeTwo(mergeSorted(lists.slice(0, half)), mergeSorted(lists.slice(half)))
}

async function* mergeTwo(left: DigestPages, right: DigestPages): AsyncGenerator<Buffer> {
  const a = createDigestCursor(left)
  const b = createDigestCursor(right)
  await a.fill()
  await b.fill()
  while (a.page !== undefined && b.page !== undefined) {
    const merged = Buffer.allocUnsafe(a.page.length - a.at + b.page.length - b.at)
    let size = 0
    while (a.at < a.page.length && b.at < b.page.length) {
      const from = compareDigests(a.page, a.at, b.page, b.at) <= 0 ? a : b
      from.page?.copy(merged, size, from.at, from.at + digestBytes)
      from.at += digestBytes
      size += digestBytes
    }
    yield merged.subarray(0, size)
    await a.fill()
    await b.fill()
  }
  yield* rest(a)
  yield* rest(b)
}

async function* rest(cursor: DigestCursor): AsyncGenerator<Buffer> {
  for (; cursor.page !== undefined; await cursor.fill()) {
    yield cursor.page.subarray(cursor.at)
    cursor.at = cursor.page.length
  }
}

/** A place in a sorted list. `page` is absent at its end, which is known after `fill`. */
export interface DigestCursor {
  page: Buffer | undefined
  /** Offset in bytes. */
  at: number
  /** Goes on to the next page where this one is used up. */
  fill(): Promise<void>
}

export function createDigestCursor(pages: DigestPages): DigestCursor {
  const source = Symbol.asyncIterator in pages ? pages[Symbol.asyncIterator]() : pages[Symbol.iterator]()
  const cursor: DigestCursor = {
    page: Buffer.alloc(0),
    at: 0,
    async fill() {
      while (cursor.page !== undefined && cursor.at >= cursor.page.length) {
        const { done, value } = await source.next()
        cursor.page = done ? undefined : value
        cursor.at = 0
      }
    },
  }
  return cursor
}

/** The same list in pages of `pageDigests`, but for the last one. */
export async function* evenPages(pages: DigestPages): AsyncGenerator<Buffer> {
  let page = Buffer.allocUnsafe(pageDigests * digestBytes)
  let size = 0
  for await (const part of pages) {
    for (let at = 0; at < part.length; ) {
      const taken = Math.min(part.length - at, page.length - size)
      part.copy(page, size, at, at + taken)
      at += taken
      size += taken
      if (size < page.length) continue
      yield page
      page = Buffer.allocUnsafe(page.length)
      size = 0
    }
  }
  if (size > 0) yield page.subarray(0, size)
}

/** Digests that stand on one side only, in order; counted all, listed as far as the bound goes. */
export interface DigestSide {
  readonly listed: Digest[]
  count: number
}

/** What stands in one sorted list only, and how much in both. A row that stands twice here and once there differs once. */
export async function splitSorted(before: DigestPages, after: DigestPages, maxListed: number) {
  const [a, b] = [createDigestCursor(before), createDigestCursor(after)]
  const [removed, added]: [DigestSide, DigestSide] = [
    { listed: [], count: 0 },
    { listed: [], count: 0 },
  ]
  let unchanged = 0
  await a.fill()
  await b.fill()
  while (a.page !== undefined && b.page !== undefined) {
    while (a.at < a.page.length && b.at < b.page.length) {
      const order = compareDigests(a.page, a.at, b.page, b.at)
      if (order < 0) take(a, removed, maxListed)
      else if (order > 0) take(b, added, maxListed)
      else {
        unchanged += 1
        a.at += digestBytes
        b.at += digestBytes
      }
    }
    await a.fill()
    await b.fill()
  }
  await takeRest(a, removed, maxListed)
  await takeRest(b, added, maxListed)
  return { removed, added, unchanged }
}

function take(cursor: DigestCursor, side: DigestSide, maxListed: number): void {
  const digest = cursor.page?.subarray(cursor.at, cursor.at + digestBytes)
  cursor.at += digestBytes
  side.count += 1
  if (digest !== undefined && side.listed.length < maxListed) side.listed.push(...unpackDigests(digest))
}

async function takeRest(cursor: DigestCursor, side: DigestSide, maxListed: number): Promise<void> {
  for (; cursor.page !== undefined; await cursor.fill()) {
    while (cursor.at < cursor.page.length) take(cursor, side, maxListed)
  }
}
