import type { Slots } from '../engines'
import type { Pace } from '../engines/engine'

/**
 * The pace of an endpoint for one call of one run: within the run's own slots, until the run stops; it remembers whether
 * the call ever went out.
 */
export class CallPace implements Pace {
  wasSent = false
  private readonly shared: Pace
  private readonly own: Slots | undefined
  private readonly stop: AbortSignal

  /** `stop` ends the wait for a slot, and no call that is under way. */
  constructor(shared: Pace, own: Slots | undefined, stop: AbortSignal) {
    this.shared = shared
    this.own = own
    this.stop = stop
  }

  async enter(): Promise<() => void> {
    const leaveOwn = await this.own?.enter(this.stop)
    try {
      const leave = await this.shared.enter(this.stop)
      this.wasSent = true
      return () => {
        leave()
        leaveOwn?.()
      }
    } catch (error) {
      leaveOwn?.()
      throw error
    }
  }

  slowDown(pauseMs: number): void {
    this.shared.slowDown(pauseMs)
  }

  answered(): void {
    this.shared.answered()
  }
}
