import { type ClockReading, jumpMs, maxJumpMs, readTogether } from '../domain/clock-jump'

interface Sample {
  readonly serverTime: number
  readonly takenAt: number
  readonly roundTripMs: number
}

const maxSamples = 8
/** What two true samples may differ by beyond their round trips: milliseconds that were rounded, and clocks that drift. */
const allowed = { ms: 100, share: 0.0005 }
/** So often both are compared anew, so that slow drift adds up to no jump. */
const comparedForMs = 10_000

/**
 * The server's time, whatever this machine's clock says. Each answer of the server tells its time; of the last
 * samples that agree with the newest the one with the shortest round trip is believed, and the machine's monotonic clock
 * carries it on. That clock may stand still while the machine sleeps, so it is held against the wall clock: where that
 * went on alone, the time asleep is added; where either jumped, no sample from before is believed any longer than until
 * the next one.
 */
export class ServerClock {
  private samples: Sample[] = []
  private best: Sample | undefined
  private readonly local: () => number
  private sleptMs = 0
  private compared: ClockReading
  /** How often this machine slept or its clock was set: what was sent before and is read after may be long out of date. */
  jumps = 0
  /** Called when this machine slept or its clock was set, so that what is known may be old; never within another call. */
  onJump: () => void = () => undefined

  constructor(local: () => number) {
    this.local = local
    this.compared = this.reading()
  }

  /** Monotonic, time asleep included, for measuring how long something took. */
  readonly elapsed = (): number => {
    const monotonic = performance.now()
    const wentApart = Math.abs(jumpMs(this.compared, { wall: this.local(), monotonic })) > maxJumpMs
    if (wentApart || monotonic - this.compared.monotonic > comparedForMs) this.compare()
    return monotonic + this.sleptMs
  }

  private compare(): void {
    const now = this.reading()
    const aloneMs = jumpMs(this.compared, now)
    this.compared = now
    if (Math.abs(aloneMs) <= maxJumpMs) return
    this.sleptMs += Math.max(0, aloneMs)
    this.samples = []
    this.jumps++
    queueMicrotask(() => this.onJump())
  }

  private reading(): ClockReading {
    return readTogether(this.local, () => performance.now())
  }

  /** `sentAt` and `receivedAt` by `elapsed`. */
  sample(serverTime: number, sentAt: number, receivedAt: number): void {
    if (!Number.isFinite(serverTime)) return
    const newest = { serverTime, takenAt: (sentAt + receivedAt) / 2, roundTripMs: receivedAt - sentAt }
    this.samples = [...this.samples.filter((older) => agree(older, newest)), newest].slice(-maxSamples)
    this.best = this.samples.reduce((best, next) => (next.roundTripMs <= best.roundTripMs ? next : best))
  }

  /** Milliseconds since the epoch by the server's clock; by this machine's before the first answer. */
  now(): number {
    return this.timeAt(this.elapsed())
  }

  /** `now` from a `performance.now()` that was just read: looks for no jump, for callers at every request. */
  nowFrom(monotonic: number): number {
    return this.timeAt(monotonic + this.sleptMs)
  }

  private timeAt(elapsed: number): number {
    return this.best === undefined ? this.local() : this.best.serverTime + elapsed - this.best.takenAt
  }

  /** A moment that this machine's clock gave, by the server's clock. */
  corrected(moment: number): number {
    return moment + this.now() - this.local()
  }
}

/** Whether one clock of the server can have given both: each is sure to half of its round trip. */
function agree(older: Sample, newest: Sample): boolean {
  const apartMs = newest.takenAt - older.takenAt
  const differMs = Math.abs(newest.serverTime - older.serverTime - apartMs)
  return differMs <= (older.roundTripMs + newest.roundTripMs) / 2 + allowed.ms + allowed.share * apartMs
}
