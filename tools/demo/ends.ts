/** What must be ended, in the opposite order of its beginning. */
export class Ends {
  private readonly ends: (() => Promise<void>)[] = []
  private running: Promise<void> | undefined

  push(end: () => Promise<void>): void {
    this.ends.push(end)
  }

  /** Ends everything once; a part that fails does not keep the others running, and is thrown at the end. */
  all(): Promise<void> {
    this.running ??= this.run()
    return this.running
  }

  private async run(): Promise<void> {
    const failures: unknown[] = []
    for (const end of this.ends.reverse()) {
      try {
        await end()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}
