/** What can stand in a list; the list itself sets and reads these. */
export interface Listed {
  list: UsageList<this> | undefined
  older: this | undefined
  newer: this | undefined
}

/**
 * Items in the order in which they were last used, each in at most one list. A Map in order of insertion would do the same,
 * but looking for its first entry walks over all that were deleted before it.
 */
export class UsageList<T extends Listed> {
  private first: T | undefined
  private last: T | undefined

  get oldest(): T | undefined {
    return this.first
  }

  /** At most so many, the oldest first. */
  oldestOf(count: number): T[] {
    const found: T[] = []
    for (let item = this.first; item !== undefined && found.length < count; item = item.newer) found.push(item)
    return found
  }

  /** Puts the item at the newest end, from wherever it stood. */
  use(item: T): void {
    if (this.last === item) return
    item.list?.remove(item)
    item.list = this
    item.older = this.last
    if (this.last === undefined) this.first = item
    else this.last.newer = item
    this.last = item
  }

  remove(item: T): void {
    if (item.list !== this) return
    const { older, newer } = item
    if (older === undefined) this.first = newer
    else older.newer = newer
    if (newer === undefined) this.last = older
    else newer.older = older
    item.list = undefined
    item.older = undefined
    item.newer = undefined
  }
}
