import { createHash } from 'node:crypto'
import fc from 'fast-check'
import type { Digest } from '../../../src/domain/version'
import { digestOf } from '../../../src/store/canonical'
import {
  createRootHash,
  type DigestPages,
  digestBytes,
  evenPages,
  mergeSorted,
  packSorted,
  pageDigests,
  splitSorted,
  unpackDigests,
} from '../../../src/store/row-digests'

/** Few different ones, so that lists share digests and hold some twice. */
const digest = fc.nat({ max: 30 }).map((n): Digest => `sha256:${createHash('sha256').update(`${n}`).digest('hex')}`)
const list = fc.array(digest, { maxLength: 40 })

/** A sorted list in pages of any size, empty ones too. */
const paged = (digests: readonly Digest[], size: number): Buffer[] => {
  const packed = packSorted(digests)
  const pages: Buffer[] = [Buffer.alloc(0)]
  for (let at = 0; at < packed.length; at += size * digestBytes)
    pages.push(packed.subarray(at, at + size * digestBytes))
  return pages
}

const read = async (pages: DigestPages): Promise<readonly Digest[]> => {
  const found: Digest[] = []
  for await (const page of pages) found.push(...unpackDigests(page))
  return found
}

describe('sorted lists of digests', () => {
  it('merge into one that holds every digest as often as all of them do', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(list, { minLength: 1, maxLength: 9 }),
        fc.integer({ min: 1, max: 7 }),
        async (lists, size) => {
          const merged = await read(mergeSorted(lists.map((digests) => paged(digests, size))))
          expect(merged).toEqual(lists.flat().sort())
        },
      ),
    ))

  it('split into what only one of two has and what both have, as multisets', () =>
    fc.assert(
      fc.asyncProperty(list, list, fc.nat({ max: 50 }), async (before, after, maxListed) => {
        const left = [...before]
        const added = [...after].sort().filter((found) => {
          const place = left.indexOf(found)
          if (place >= 0) left.splice(place, 1)
          return place < 0
        })
        const removed = left.sort()
        const found = await splitSorted(paged(before, 3), paged(after, 5), maxListed)
        expect(found.removed).toEqual({ count: removed.length, listed: removed.slice(0, maxListed) })
        expect(found.added).toEqual({ count: added.length, listed: added.slice(0, maxListed) })
        expect(found.unchanged).toBe(before.length - removed.length)
      }),
    ))

  it('have the root of RFC 8785 text, however they are cut into pages', () =>
    fc.assert(
      fc.property(list, fc.integer({ min: 1, max: 7 }), (digests, size) => {
        const hash = createRootHash()
        for (const page of paged(digests, size)) hash.add(page)
        expect(hash.root()).toBe(digestOf({ rows: [...digests].sort() }))
      }),
    ))

  it('are cut into full pages but for the last', async () => {
    const digests = Array.from({ length: 2 * pageDigests + 5 }, (_, n) => digestOf(n))
    const sizes: number[] = []
    for await (const page of evenPages(paged(digests, 1000))) sizes.push(page.length / digestBytes)
    expect(sizes).toEqual([pageDigests, pageDigests, 5])
    expect(await read(evenPages(paged(digests, 777)))).toEqual([...digests].sort())
  })
})
