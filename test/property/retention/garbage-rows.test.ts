import fc from 'fast-check'
import { dayMs, defaultRetention } from '../../../src/domain/retention'
import type { Digest } from '../../../src/domain/version'
import { measureRows } from '../../../src/store/garbage-rows'
import { createRowStore } from '../../../src/store/rows'
import type { Store } from '../../../src/store/store'
import { runs } from '../../support/effort'
import { testStore } from '../../support/ground'

const rowCount = 300
const setCount = 70
const rowOf = (number: number) => ({ id: `row-${number}` })

let store: Store
let drop: () => Promise<void>
beforeAll(async () => {
  ;({ store, drop } = await testStore())
})
afterAll(() => drop())

it('finds exactly the rows that no set has that stays, however dense the sets are', async () => {
  const rows = createRowStore(store.database)
  const numbers = fc.uniqueArray(fc.nat(rowCount - 1), { minLength: 1, maxLength: rowCount })
  const sets = fc.array(fc.oneof(numbers, fc.uniqueArray(fc.nat(rowCount - 1), { minLength: 1, maxLength: 3 })), {
    minLength: setCount,
    maxLength: setCount,
  })
  const stored = new Set<number>()
  await fc.assert(
    fc.asyncProperty(sets, fc.nat(setCount), async (members, kept) => {
      const roots: Digest[] = []
      for (const set of members) {
        const { root } = await rows.putRows(set.map(rowOf))
        if (root !== undefined) roots.push(root)
        for (const number of set) stored.add(number)
      }
      const named = new Set(members.slice(0, kept).flat())
      const later = (await store.database.now()) + 10 * dayMs
      const of = { policy: defaultRetention, now: later }
      const { count } = await measureRows(store.database, new Set(roots.slice(0, kept)), of)
      expect(count).toBe([...stored].filter((number) => !named.has(number)).length)
    }),
    { numRuns: runs(5), endOnFailure: true },
  )
})
