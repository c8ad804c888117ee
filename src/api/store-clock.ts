import type { Database } from '../store/database'

const measureEveryMs = 10_000

/** The store's clock without asking it every time: this process's clock, corrected by what was last measured. */
export class StoreClock {
  private readonly database: Database
  private offsetMs: number | undefined
  private measuredAt = 0
  private measuring: Promise<void> | undefined

  constructor(database: Database) {
    this.database = database
  }

  /** Milliseconds since the epoch by the store's clock; measures first where it never did. */
  async now(): Promise<number> {
    if (this.offsetMs === undefined) await this.measure()
    else if (performance.now() - this.measuredAt > measureEveryMs) void this.measure().catch(() => undefined)
    return Date.now() + (this.offsetMs ?? 0)
  }

  private measure(): Promise<void> {
    this.measuring ??= this.measureOnce().finally(() => {
      this.measuring = undefined
    })
    return this.measuring
  }

  private async measureOnce(): Promise<void> {
    const before = Date.now()
    const there = await this.database.now()
    this.offsetMs = there - (before + Date.now()) / 2
    this.measuredAt = performance.now()
  }
}
