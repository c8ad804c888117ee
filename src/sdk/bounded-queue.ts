/** First in, first out, of at most so many: the oldest gives way to the newest, at a constant cost. */
export class BoundedQueue<T> {
  private items: (T | undefined)[] = []
  private head = 0
  private readonly bound: number

  constructor(bound: number) {
    this.bound = bound
  }

  get size(): number {
    return this.items.length - this.head
  }

  /** How many had to go. */
  push(item: T): number {
    this.items.push(item)
    return this.trim()
  }

  /** Takes at most so many of the oldest. */
  take(count: number): T[] {
    const taken = this.items.slice(this.head, this.head + count) as T[]
    this.items = this.items.slice(this.head + count)
    this.head = 0
    return taken
  }

  /** Back to where they were taken from; how many had to go. */
  putBack(items: readonly T[]): number {
    this.items = [...items, ...this.items.slice(this.head)]
    this.head = 0
    return this.trim()
  }

  private trim(): number {
    const excess = Math.max(0, this.size - this.bound)
    for (let gone = 0; gone < excess; gone++) this.items[this.head++] = undefined
    // What went is let go of at once; its places together, so that each costs next to nothing.
    if (this.head >= this.bound) {
      this.items = this.items.slice(this.head)
      this.head = 0
    }
    return excess
  }
}
