import type { HeldSnapshot } from './held-snapshot'
import type { StaleEvent } from './options'

/** A timer of more would fire at once. */
const longestTimerMs = 2 ** 31 - 1

/** Tells when the held snapshot becomes stale: one timer, set anew whenever the server confirms. */
export class AgeWatch {
  private readonly held: HeldSnapshot
  private readonly maxStaleMs: number
  private readonly told: (event: StaleEvent) => void
  private timer: NodeJS.Timeout | undefined

  constructor(held: HeldSnapshot, maxStaleMs: number, told: (event: StaleEvent) => void) {
    this.held = held
    this.maxStaleMs = maxStaleMs
    this.told = told
  }

  watch(): void {
    this.stop()
    if (this.maxStaleMs === Number.POSITIVE_INFINITY) return
    const left = Math.max(0, this.maxStaleMs - this.held.ageMs)
    this.timer = setTimeout(() => this.look(), Math.min(left + 1, longestTimerMs))
    this.timer.unref()
  }

  /** After a sleep it may have been stale for long: told at once, before an answer can hide it. */
  woke(): void {
    this.look()
  }

  stop(): void {
    clearTimeout(this.timer)
  }

  /** Timers may fire a little before their time, and the longest of them long before it. */
  private look(): void {
    const { ageMs } = this.held
    if (ageMs <= this.maxStaleMs) this.watch()
    else {
      this.stop()
      this.told({ ageMs })
    }
  }
}
