import type { Database } from '../store/database'

const measureEveryMs = 10_000
/** Wall clock and monotonic clock of this process differ by more: one of them jumped, or the machine was asleep. */
const maxJumpMs = 500

interface Measured {
  readonly storeTime: number
  readonly elapsed: number
  readonly wall: number
}

/** The store's clock without asking it every time: what was last measured, carried on by this process's monotonic clock. */
export class StoreClock {
  private readonly database: Database
  private measured: Measured | undefined
  private measuring: Promise<void> | undefined

  constructor(database: Database) {
    this.database = database
  }

  /**
   * Milliseconds since the epoch by the store's clock; measures first where it never did or can no longer be sure, and
   * then throws what the store throws: a time that may be hours off is worse than none.
   */
  async now(): Promise<number> {
    const { measured } = this
    if (measured === undefined || jumped(measured)) await this.measure()
    else if (performance.now() - measured.elapsed > measureEveryMs) void this.measure().catch(() => undefined)
    const { storeTime, elapsed } = this.measured as Measured
    return storeTime + performance.now() - elapsed
  }

  private measure(): Promise<void> {
    this.measuring ??= this.measureOnce().finally(() => {
      this.measuring = undefined
    })
    return this.measuring
  }

  private async measureOnce(): Promise<void> {
    const before = performance.now()
    const storeTime = await this.database.now()
    const after = performance.now()
    this.measured = { storeTime, elapsed: (before + after) / 2, wall: Date.now() - (after - before) / 2 }
  }
}

const jumped = ({ elapsed, wall }: Measured): boolean =>
  Math.abs(Date.now() - wall - (performance.now() - elapsed)) > maxJumpMs
