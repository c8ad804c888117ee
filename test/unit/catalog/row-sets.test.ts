import type { Collection, Document } from 'mongodb'
import type { Digest } from '../../../src/domain/version'
import { maxDatasetRows } from '../../../src/kinds/dataset'
import { digestOf } from '../../../src/store/canonical'
import type { Database } from '../../../src/store/database'
import { createRowStore, maxMergedSets, maxPutRows } from '../../../src/store/rows'
import type { Store } from '../../../src/store/store'
import { testStore } from '../../support/ground'

const rowOf = (number: number) => ({ id: `row-${number}`, text: `text ${number}` })
const rowsOf = (from: number, to: number) => Array.from({ length: to - from }, (_, place) => rowOf(from + place))
const naiveRoot = (rows: readonly unknown[]): Digest => digestOf({ rows: rows.map(digestOf).sort() })

describe('sets of rows', () => {
  let store: Store
  let drop: () => Promise<void>
  beforeAll(async () => {
    const ground = await testStore()
    store = ground.store
    drop = ground.drop
  })
  afterAll(() => drop())

  const put = async (rows: readonly unknown[]): Promise<Digest> => {
    const { root } = await store.catalog.putRows(rows)
    if (root === undefined) throw new Error('rows are missing')
    return root
  }
  const readFrom = async (root: Digest, from: number) => {
    const texts: string[] = []
    for await (const { text } of store.catalog.rowTexts(root, from)) texts.push(text)
    return texts
  }

  it('merge into the set that all rows together have, whichever way they are merged', async () => {
    const rows = rowsOf(0, 9_000)
    const roots: Digest[] = []
    for (let at = 0; at < rows.length; at += maxPutRows) roots.push(await put(rows.slice(at, at + maxPutRows)))
    const whole = await store.catalog.mergeSets(roots)
    expect(whole).toMatchObject({ root: naiveRoot(rows), count: 9_000, columns: { id: { required: true } } })
    const halves = [await store.catalog.mergeSets(roots.slice(5)), await store.catalog.mergeSets(roots.slice(0, 5))]
    expect(await store.catalog.mergeSets(halves.map((set) => set.root))).toEqual(whole)
    const all = await readFrom(whole.root, 0)
    expect(all.map((text) => digestOf(JSON.parse(text)))).toEqual(rows.map(digestOf).sort())
    for (const from of [1, 499, 500, 4_095, 4_096, 8_999, 9_000])
      expect(await readFrom(whole.root, from)).toEqual(all.slice(from))
  })

  it('say how often a row stands in them', async () => {
    const [one, two] = [await put([rowOf(1), rowOf(2)]), await put([rowOf(2)])]
    const merged = await store.catalog.mergeSets([one, two, two])
    expect(merged).toMatchObject({ count: 4, root: naiveRoot([rowOf(1), rowOf(2), rowOf(2), rowOf(2)]) })
    expect((await store.catalog.mergeSets([one, two])).root).not.toBe(merged.root)
    expect(await readFrom(merged.root, 0)).toHaveLength(4)
  })

  it('add up columns and bytes', async () => {
    const [one, two] = [await put([{ a: 1 }, { a: 'x' }]), await put([{ a: null, b: [] }])]
    expect(await store.catalog.mergeSets([one, two])).toMatchObject({
      count: 3,
      bytes: '{"a":1}{"a":"x"}{"a":null,"b":[]}'.length,
      columns: { a: { types: ['null', 'number', 'string'], required: true }, b: { types: ['array'], required: false } },
    })
  })

  it('take rows by digest, and name those that are not stored without keeping anything', async () => {
    const rows = rowsOf(20_000, 20_003)
    await put(rows.slice(0, 2))
    const digests = rows.map(digestOf)
    expect(await store.catalog.putRows(digests)).toEqual({ digests, missing: digests.slice(2) })
    await expect(store.catalog.rowSet(naiveRoot(rows))).rejects.toMatchObject({ code: 'unknown_ref' })
    expect(await put([digests[0], rows[2], digests[1]])).toBe(naiveRoot(rows))
  })

  it.each<[string, () => Promise<unknown>, string]>([
    ['a set that nobody put', () => store.catalog.mergeSets([digestOf('nothing')]), 'unknown_ref'],
    ['a text that is no digest', () => store.catalog.putRows(['sha256:0']), 'invalid_content'],
    ['a row that is none', () => store.catalog.putRows([rowOf(1), [rowOf(2)]]), 'invalid_content'],
  ])('refuse %s', async (_, call, code) => {
    await expect(call()).rejects.toMatchObject({ code })
  })

  it('refuse to grow beyond the limit of rows, and of columns', async () => {
    const root = await put([rowOf(30_000)])
    const sets = store.database.collection<{ _id: string; count: number }>('row_sets')
    await sets.updateOne({ _id: root }, { $set: { count: maxDatasetRows } })
    await expect(store.catalog.mergeSets([root, root])).rejects.toMatchObject({
      code: 'invalid_content',
      message: expect.stringContaining(`${maxDatasetRows} rows`),
    })
    const wide = Array.from({ length: 2_001 }, (_, number) => ({ [`column-${number}`]: 1 }))
    const halves = [await put(wide.slice(0, 1_000)), await put(wide.slice(1_000, 2_000)), await put(wide.slice(2_000))]
    await expect(store.catalog.mergeSets(halves)).rejects.toMatchObject({ code: 'invalid_content' })
    expect(maxMergedSets).toBeGreaterThan(halves.length)
  })

  it('keep the mark of what is asked for young, and leave a young one as it is', async () => {
    const rows = store.database.collection<{ _id: string; at: Date }>('rows')
    const sets = store.database.collection<{ _id: string; at: Date }>('row_sets')
    const root = await put([rowOf(40_000)])
    const digest = digestOf(rowOf(40_000))
    const name = { _id: digest as string }
    const before = await rows.findOne(name)
    await put([digestOf(rowOf(40_000))])
    expect(await rows.findOne(name)).toEqual(before)
    const longAgo = new Date(Date.now() - 90 * 86_400_000)
    await rows.updateOne(name, { $set: { at: longAgo } })
    await sets.updateOne({ _id: root }, { $set: { at: longAgo } })
    await put([digestOf(rowOf(40_000))])
    expect((await rows.findOne(name))?.at.getTime()).toBeGreaterThan(longAgo.getTime())
    expect((await sets.findOne({ _id: root }))?.at.getTime()).toBeGreaterThan(longAgo.getTime())
  })

  it('are whole or not there, whichever write fails', async () => {
    const rows = rowsOf(50_000, 50_010)
    const parts = [rows.slice(0, 6), rows.slice(4)]
    const expected = naiveRoot([...rows, ...rows.slice(4, 6)])
    let failures = 0
    for (let allowed = 0; ; allowed += 1) {
      const failing = createRowStore(failingAfter(store.database, allowed))
      const push = async () => {
        const roots: Digest[] = []
        for (const part of parts) roots.push((await failing.putRows(part)).root as Digest)
        return failing.mergeSets(roots)
      }
      const outcome = await push().catch(() => undefined)
      for await (const set of store.database
        .collection<{ _id: Digest; count: number }>('row_sets')
        .find({ count: { $lte: 12 } })) {
        expect(await readFrom(set._id, 0)).toHaveLength(set.count)
      }
      if (outcome !== undefined) {
        expect(outcome.root).toBe(expected)
        break
      }
      failures += 1
      await store.database.collection('rows').deleteMany({ id: /row-500/ })
      await store.database.collection('row_sets').deleteMany({ count: { $lte: 12 } })
      await store.database.collection('row_pages').deleteMany({})
    }
    expect(failures).toBeGreaterThanOrEqual(7)
  })

  it('agree where the same rows are pushed by several at once', async () => {
    const rows = rowsOf(60_000, 60_400)
    const push = async (given: readonly unknown[]) => {
      const roots = [await put(given.slice(0, 150)), await put(given.slice(150))]
      return store.catalog.mergeSets(roots)
    }
    const pushed = await Promise.all([
      push(rows),
      push(rows.toReversed()),
      push(rows),
      push([...rows.slice(200), ...rows.slice(0, 200)]),
    ])
    expect(new Set(pushed.map((set) => set.root))).toEqual(new Set([naiveRoot(rows)]))
  })
})

/** The database as a process sees it that dies before its write number `allowed`. */
function failingAfter(database: Database, allowed: number): Database {
  let written = 0
  const writes = ['insertMany', 'bulkWrite', 'updateOne', 'updateMany']
  const failing = <T extends Document>(collection: Collection<T>): Collection<T> =>
    new Proxy(collection, {
      get(target, name) {
        const found: unknown = Reflect.get(target, name)
        if (typeof found !== 'function') return found
        return (...given: unknown[]) => {
          if (writes.includes(String(name)) && written++ >= allowed) throw new Error('the process died')
          return found.apply(target, given)
        }
      },
    })
  return { ...database, collection: (name) => failing(database.collection(name)) }
}
