import type { HeldSnapshot } from './held-snapshot'
import type { StaleEvent } from './options'

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
    const left = Math.min(Math.max(0, this.maxStaleMs - this.held.ageMs), longestTimerMs)
    this.timer = setTimeout(() => this.tell(), left + 1)
    this.timer.unref()
  }

  /** After a sleep it may have been stale for long: told at once, before an answer can hide it. */
  woke(): void {
    if (this.held.ageMs <= this.maxStaleMs) this.watch()
    else {
      this.stop()
      this.tell()
    }
  }

  stop(): void {
    clearTimeout(this.timer)
  }

  private tell(): void {
    this.told({ ageMs: this.held.ageMs })
  }
}
