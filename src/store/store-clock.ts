import type { Database } from './database'

const measureEveryMs = 10_000
/** Wall clock and monotonic clock of this process differ by more: one of them jumped, or the machine was asleep. */
const maxJumpMs = 500
/** Two clocks are read in one moment if no more passed in between; a busy machine can leave a process for longer. */
const maxApartMs = 50
const maxReadings = 5

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
    const { wall, elapsed } = reading()
    const halfMs = (elapsed - before) / 2
    this.measured = { storeTime, elapsed: elapsed - halfMs, wall: wall - halfMs }
  }
}

function jumped(measured: Measured): boolean {
  const now = reading()
  return Math.abs(now.wall - measured.wall - (now.elapsed - measured.elapsed)) > maxJumpMs
}

/** Both clocks in one moment: a process that is held up between them would see a jump where there was none. */
function reading(): { readonly wall: number; readonly elapsed: number } {
  for (let count = 1; ; count++) {
    const before = performance.now()
    const wall = Date.now()
    const elapsed = performance.now()
    if (elapsed - before <= maxApartMs || count === maxReadings) return { wall, elapsed }
  }
}
