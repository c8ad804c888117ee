import type { DatasetContent } from '../../../src/domain/contents'
import { maxRowBytes } from '../../../src/domain/row'
import { digestOf } from '../../../src/store/canonical'
import type { Store } from '../../../src/store/store'
import { registration } from '../../support/contents'
import { testStore } from '../../support/ground'

const rowOf = (number: number) => ({ id: `case-${number}`, input: { text: `text ${number}` } })

describe('datasets', () => {
  let store: Store
  let drop: () => Promise<void>
  beforeAll(async () => {
    const ground = await testStore()
    store = ground.store
    drop = ground.drop
  })
  afterAll(() => drop())

  const register = async (ref: string, content: unknown) => {
    const { version } = await store.catalog.register(registration(ref, content))
    return version.content as DatasetContent
  }
  const read = async (root: DatasetContent['root']) => {
    const rows: unknown[] = []
    for await (const { row } of store.catalog.rows(root)) rows.push(row)
    return rows
  }

  it('have a root that does not depend on the order of rows or of keys', async () => {
    const rows = Array.from({ length: 30 }, (_, number) => rowOf(number))
    const inOrder = await register('dataset/ordered@1.0.0', { rows })
    const reversed = rows.toReversed().map(({ id, input }) => ({ input, id }))
    const shuffled = await register('dataset/shuffled@1.0.0', { rows: reversed })
    expect(shuffled).toEqual(inOrder)
    expect(inOrder).toMatchObject({ count: 30, columns: { id: { types: ['string'], required: true } } })
  })

  it('come back whole, row by row, each under its digest', async () => {
    const rows = Array.from({ length: 1203 }, (_, number) => rowOf(number))
    const { root } = await register('dataset/many@1.0.0', { rows })
    const back = (await read(root)) as ReturnType<typeof rowOf>[]
    expect(new Set(back.map((row) => row.id)).size).toBe(1203)
    for await (const { digest, row } of store.catalog.rows(root)) {
      expect(digest).toBe(digestOf(row))
      break
    }
  })

  it('keep a row that stands twice', async () => {
    const twice = await register('dataset/twice@1.0.0', { rows: [rowOf(1), rowOf(2), rowOf(1)] })
    expect(await read(twice.root)).toHaveLength(3)
    const once = await register('dataset/once@1.0.0', { rows: [rowOf(1), rowOf(2)] })
    expect(once.root).not.toBe(twice.root)
  })

  it('are registered by the digests of rows uploaded before, as often as one likes', async () => {
    const rows = [rowOf(1), rowOf(2)]
    const { digests, ...put } = await store.catalog.putRows(rows)
    expect(await store.catalog.putRows(rows)).toEqual({ digests, ...put })
    const byDigest = await register('dataset/uploaded@1.0.0', { rowDigests: digests })
    expect(await register('dataset/inline@1.0.0', { rows })).toEqual(byDigest)
  })

  it('take the same rows from two writers at once', async () => {
    const rows = Array.from({ length: 300 }, (_, number) => rowOf(number + 5000))
    const [first, second] = await Promise.all([store.catalog.putRows(rows), store.catalog.putRows(rows.toReversed())])
    expect(second.digests).toEqual(first.digests.toReversed())
    expect(second.root).toBe(first.root)
  })

  it('hold rows of megabytes, together far above the size of one document', async () => {
    const digests = []
    for (let number = 0; number < 20; number += 1) {
      digests.push(...(await store.catalog.putRows([{ id: `${number}`, transcript: 'x'.repeat(2_000_000) }])).digests)
    }
    const { root, count } = await register('dataset/large@1.0.0', { rowDigests: digests })
    expect(count).toBe(20)
    let bytes = 0
    for await (const { row } of store.catalog.rows(root)) bytes += JSON.stringify(row).length
    expect(bytes).toBeGreaterThan(40_000_000)
  })

  it('keep keys that the database gives a meaning of its own', async () => {
    const strange = { $ref: 'a', $id: 1, 'a.b': { $set: 1 }, n: 1.5 }
    const { root } = await register('dataset/strange@1.0.0', { rows: [strange] })
    expect(await read(root)).toEqual([strange])
  })

  it('break by losing a column and not by gaining rows', async () => {
    await register('dataset/columns@1.0.0', { rows: [{ id: 'a', group: 'x' }] })
    const { changeClass } = await store.catalog.register(
      registration('dataset/columns@1.1.0', {
        rows: [
          { id: 'a', group: 'x' },
          { id: 'b', group: 'y' },
        ],
      }),
    )
    expect(changeClass).toBe('safe')
    await expect(register('dataset/columns@1.2.0', { rows: [{ id: 'a' }] })).rejects.toMatchObject({
      code: 'semver_understated',
    })
  })

  it.each<[string, unknown, string]>([
    ['rows never uploaded', { rowDigests: [`sha256:${'0'.repeat(64)}`] }, 'unknown_ref'],
    ['a root that nobody knows', { root: `sha256:${'0'.repeat(64)}`, count: 1, columns: {} }, 'unknown_ref'],
    ['no rows', { rows: [] }, 'invalid_content'],
    ['rows that are no objects', { rows: [7] }, 'invalid_content'],
    ['a row that is too large', { rows: [{ a: 'x'.repeat(maxRowBytes) }] }, 'invalid_content'],
  ])('refuse %s', async (_, content, code) => {
    await expect(register('dataset/refused@1.0.0', content)).rejects.toMatchObject({ code })
  })

  it('notice a stored row that was altered or lost', async () => {
    const { digests } = await store.catalog.putRows([{ id: 'altered' }])
    const [digest] = digests
    const { root } = await register('dataset/altered@1.0.0', { rowDigests: [digest] })
    const rows = store.database.collection<{ _id: string }>('rows')
    await rows.updateOne({ _id: digest as string }, { $set: { text: '{"id":"other"}' } })
    await expect(read(root)).rejects.toMatchObject({ code: 'digest_mismatch' })
    await rows.deleteOne({ _id: digest as string })
    await expect(read(root)).rejects.toMatchObject({ code: 'unknown_ref' })
  })
})
