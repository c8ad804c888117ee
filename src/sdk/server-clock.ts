interface Sample {
  readonly serverTime: number
  readonly takenAt: number
  readonly roundTripMs: number
}

const maxSamples = 8

/**
 * The server's time, whatever this machine's clock says. Each answer of the server tells its time; of the last
 * samples the one with the shortest round trip is believed, and the machine's monotonic clock carries it on.
 */
export class ServerClock {
  private readonly samples: Sample[] = []
  private best: Sample | undefined
  private readonly local: () => number

  constructor(local: () => number) {
    this.local = local
  }

  /** Monotonic, for measuring how long something took. */
  readonly elapsed = (): number => performance.now()

  /** `sentAt` and `receivedAt` by `elapsed`. */
  sample(serverTime: number, sentAt: number, receivedAt: number): void {
    if (!Number.isFinite(serverTime)) return
    this.samples.push({ serverTime, takenAt: (sentAt + receivedAt) / 2, roundTripMs: receivedAt - sentAt })
    if (this.samples.length > maxSamples) this.samples.shift()
    this.best = this.samples.reduce((best, next) => (next.roundTripMs <= best.roundTripMs ? next : best))
  }

  /** Milliseconds since the epoch by the server's clock; by this machine's before the first answer. */
  now(): number {
    return this.at(this.elapsed())
  }

  /** The same for a moment of `elapsed` that is now. */
  at(elapsed: number): number {
    return this.best === undefined ? this.local() : this.best.serverTime + elapsed - this.best.takenAt
  }

  /** A moment that this machine's clock gave, by the server's clock. */
  corrected(moment: number): number {
    return moment + this.now() - this.local()
  }
}
