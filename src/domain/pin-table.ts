import { assert } from '../errors'

/** Four numbers a slot, so that a probe touches one line of the processor's cache. */
const stride = 4
const emptiest = 2

/**
 * (row, lane) → place in a list, for very many pairs that are asked one at a time and at random: an open-addressed table
 * of plain numbers, at most half full. A Map of Maps costs several times as many reads of cold memory.
 */
export class PinTable {
  private readonly slots: Int32Array
  private readonly mask: number
  private free: number

  /** `pairs`: how many will be set at most. */
  constructor(pairs: number) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(1, pairs) * emptiest))
    this.slots = new Int32Array(size * stride)
    this.mask = size - 1
    this.free = pairs
  }

  /** How many more pairs it takes. */
  get room(): number {
    return this.free
  }

  /** Row and lane are numbers from 0; each pair is set once. `source` comes back in `renew`. */
  set(row: number, lane: number, place: number, source: number): void {
    assert(this.free > 0, 'no more pairs are set than were announced')
    this.free--
    const { slots } = this
    let slot = this.first(row, lane)
    while (slots[slot] !== 0) slot = this.next(slot)
    slots[slot] = row + 1
    slots[slot + 1] = lane
    slots[slot + 2] = place
    slots[slot + 3] = source
  }

  /** The place that was set, or -1. */
  find(row: number, lane: number): number {
    const { slots } = this
    // Half of the slots are empty, so this ends at one of those at the latest.
    for (let slot = this.first(row, lane); slots[slot] !== 0; slot = this.next(slot)) {
      if (slots[slot] === row + 1 && slots[slot + 1] === lane) return slots[slot + 2] as number
    }
    return -1
  }

  /** Asks for the place of every pair again; undefined leaves it. */
  renew(placeOf: (lane: number, source: number) => number | undefined): void {
    const { slots } = this
    for (let slot = 0; slot < slots.length; slot += stride) {
      if (slots[slot] === 0) continue
      const place = placeOf(slots[slot + 1] as number, slots[slot + 3] as number)
      if (place !== undefined) slots[slot + 2] = place
    }
  }

  /** The same pairs with room for so many in all. */
  grown(pairs: number): PinTable {
    const larger = new PinTable(pairs)
    const { slots } = this
    for (let slot = 0; slot < slots.length; slot += stride) {
      const row = slots[slot] as number
      if (row !== 0) {
        larger.set(row - 1, slots[slot + 1] as number, slots[slot + 2] as number, slots[slot + 3] as number)
      }
    }
    return larger
  }

  private first(row: number, lane: number): number {
    const mixed = Math.imul(row, 0x9e3779b1) ^ Math.imul(lane, 0x85ebca6b)
    return (((mixed ^ (mixed >>> 15)) & this.mask) * stride) | 0
  }

  private next(slot: number): number {
    return slot + stride === this.slots.length ? 0 : slot + stride
  }
}
