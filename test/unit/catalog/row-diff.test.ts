import type { RowChange } from '../../../src/domain/row-change'
import type { Digest } from '../../../src/domain/version'
import { digestOf } from '../../../src/store/canonical'
import { createRowDiffer } from '../../../src/store/row-diff'
import { createRowReader } from '../../../src/store/row-reader'
import type { Store } from '../../../src/store/store'
import { testStore } from '../../support/ground'

describe('the difference of two datasets', () => {
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
  const diff = async (before: readonly unknown[], after: readonly unknown[], limit = 200) =>
    store.catalog.diffRows(await put(before), await put(after), { limit })
  const row = (change: RowChange) => (change.change === 'changed' ? [change.before.row, change.after.row] : change.row)

  it('is empty for the same rows in any order', async () => {
    const rows = [{ id: 'a' }, { id: 'b' }, { id: 'a' }]
    expect(await diff(rows, rows.toReversed())).toMatchObject({
      counts: { added: 0, removed: 0, changed: 0, unchanged: 3 },
      isWhole: true,
      items: [],
    })
  })

  it('names rows that came and went, and pairs those with the same id', async () => {
    const found = await diff(
      [{ id: 'a', n: 1 }, { id: 'b', n: 1 }, { id: 'c', n: 1 }, { n: 1 }],
      [{ id: 'a', n: 1 }, { id: 'b', n: 2 }, { id: 'd', n: 1 }, { n: 2 }],
    )
    expect(found.counts).toEqual({ added: 2, removed: 2, changed: 1, unchanged: 1 })
    expect(found.items[0]).toEqual({
      change: 'changed',
      id: 'b',
      before: { digest: digestOf({ id: 'b', n: 1 }), row: { id: 'b', n: 1 } },
      after: { digest: digestOf({ id: 'b', n: 2 }), row: { id: 'b', n: 2 } },
    })
    expect(found.items.map((item) => item.change)).toEqual(['changed', 'removed', 'removed', 'added', 'added'])
    expect(new Set(found.items.slice(1).map((item) => JSON.stringify(row(item))))).toEqual(
      new Set(['{"id":"c","n":1}', '{"n":1}', '{"id":"d","n":1}', '{"n":2}']),
    )
  })

  it('tells the text 7 from the number 7, and pairs no id that stands twice on one side', async () => {
    const found = await diff(
      [
        { id: 7, n: 1 },
        { id: 'x', n: 1 },
        { id: 'x', n: 2 },
      ],
      [
        { id: '7', n: 1 },
        { id: 'x', n: 3 },
      ],
    )
    expect(found.counts).toEqual({ added: 2, removed: 3, changed: 0, unchanged: 0 })
  })

  it('counts a row that stands more often once for each time', async () => {
    const found = await diff([{ id: 'a' }, { id: 'b' }], [{ id: 'a' }, { id: 'a' }, { id: 'a' }, { id: 'b' }])
    expect(found.counts).toEqual({ added: 2, removed: 0, changed: 0, unchanged: 2 })
    expect(found.items.map(row)).toEqual([{ id: 'a' }, { id: 'a' }])
  })

  const many = (from: number, to: number, n: number) =>
    Array.from({ length: to - from }, (_, place) => ({ id: from + place, n }))

  it('comes in pages that together are the whole of it', async () => {
    const [from, to] = [await put(many(0, 40, 1)), await put([...many(10, 30, 2), ...many(30, 60, 1)])]
    const whole = await store.catalog.diffRows(from, to, { limit: 200 })
    expect(whole.counts).toEqual({ added: 20, removed: 10, changed: 20, unchanged: 10 })
    const items: RowChange[] = []
    let after: number | undefined = 0
    while (after !== undefined) {
      const page = await store.catalog.diffRows(from, to, { after, limit: 7 })
      expect(page.items.length).toBeLessThanOrEqual(7)
      items.push(...page.items)
      after = page.next
    }
    expect(items).toEqual(whole.items)
    expect(items).toHaveLength(50)
  })

  it('lists no more than its bound, counts all, and says that it pairs nothing then', async () => {
    const differ = createRowDiffer(store.database, createRowReader(store.database), 9)
    const [from, to] = [await put(many(100, 105, 1)), await put(many(100, 105, 2))]
    const found = await differ.diffRows(from, to, { limit: 200 })
    expect(found).toMatchObject({ isWhole: false, counts: { added: 5, removed: 5, changed: 0, unchanged: 0 } })
    expect(found.items).toHaveLength(9)
    expect(found.next).toBeUndefined()
    const larger = createRowDiffer(store.database, createRowReader(store.database), 10)
    expect((await larger.diffRows(from, to, { limit: 200 })).counts.changed).toBe(5)
  })

  it('ends a page before rows of megabytes together are too much for one answer', async () => {
    const large = (n: number) => ({ id: n, text: 'x'.repeat(3_000_000) })
    const found = await diff([large(1), large(2), large(3)], [{ id: 'none' }])
    expect(found.items).toHaveLength(2)
    expect(found.next).toBe(2)
  })

  it('is refused for a root that nobody knows', async () => {
    const unknown = digestOf('nothing')
    await expect(store.catalog.diffRows(unknown, unknown, { limit: 1 })).rejects.toMatchObject({ code: 'unknown_ref' })
  })
})
