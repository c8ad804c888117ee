import fc from 'fast-check'
import { PinTable } from '../../src/domain/pin-table'

const pair = fc.tuple(fc.integer({ min: 0, max: 2_000_000 }), fc.integer({ min: 0, max: 1_000 }))
const keyOf = ([row, lane]: readonly [number, number]): string => `${row} ${lane}`

describe('the table of pins', () => {
  it('finds what was set, and nothing else, full or empty', () => {
    fc.assert(
      fc.property(fc.uniqueArray(pair, { selector: keyOf, maxLength: 200 }), fc.array(pair), (set, others) => {
        const table = new PinTable(set.length)
        set.forEach(([row, lane], place) => {
          table.set(row, lane, place, 0)
        })
        set.forEach(([row, lane], place) => {
          expect(table.find(row, lane)).toBe(place)
        })
        const known = new Set(set.map(keyOf))
        for (const other of others) if (!known.has(keyOf(other))) expect(table.find(...other)).toBe(-1)
      }),
    )
  })

  it('takes no more than was announced', () => {
    const table = new PinTable(1)
    table.set(0, 0, 7, 0)
    expect(() => table.set(0, 1, 8, 0)).toThrow('announced')
  })

  it('keeps every pair when it grows, and finds each where it was put last', () => {
    fc.assert(
      fc.property(fc.uniqueArray(pair, { selector: keyOf, maxLength: 200 }), (set) => {
        const small = new PinTable(set.length)
        set.forEach(([row, lane], place) => {
          small.set(row, lane, place, 1_000 + place)
        })
        const table = small.grown(2 * set.length + 1)
        table.set(3_000_000, 0, 0, 0)
        table.renew((lane, source) => (lane % 2 === 0 ? source : undefined))
        set.forEach(([row, lane], place) => {
          expect(table.find(row, lane)).toBe(lane % 2 === 0 ? 1_000 + place : place)
        })
      }),
    )
  })
})
