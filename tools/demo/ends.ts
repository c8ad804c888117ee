/** What must be ended, in the opposite order of its beginning. */
export class Ends {
  private readonly ends: (() => Promise<void>)[] = []
  private begun = false

  push(end: () => Promise<void>): void {
    this.ends.push(end)
  }

  /** Throws once the end has begun: who still starts things stops there. */
  assertOpen(): void {
    if (this.begun) throw new Error('the demo is ending')
  }

  /** Ends everything that was pushed and not ended yet; a part that fails does not keep the others running. */
  async all(): Promise<void> {
    this.begun = true
    const failures: unknown[] = []
    for (let end = this.ends.pop(); end !== undefined; end = this.ends.pop()) {
      try {
        await end()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}
