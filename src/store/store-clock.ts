import { type ClockReading, jumpMs, maxJumpMs, readTogether } from '../domain/clock-jump'
import type { Database } from './database'

const measureEveryMs = 10_000

interface Measured extends ClockReading {
  readonly storeTime: number
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
    if (measured === undefined || hasJumped(measured)) await this.measure()
    else if (performance.now() - measured.monotonic > measureEveryMs) void this.measure().catch(() => undefined)
    const { storeTime, monotonic } = this.measured as Measured
    return storeTime + performance.now() - monotonic
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
    const { wall, monotonic } = reading()
    const halfMs = (monotonic - before) / 2
    this.measured = { storeTime, monotonic: monotonic - halfMs, wall: wall - halfMs }
  }
}

const reading = (): ClockReading => readTogether(Date.now, () => performance.now())

const hasJumped = (measured: Measured): boolean => Math.abs(jumpMs(measured, reading())) > maxJumpMs
