/** Two clocks are read in one moment if no more passed in between; a busy machine can leave a process for longer. */
const maxApartMs = 50
const maxReadings = 5
/** A wall clock and a monotonic clock that went further apart: one of them jumped, or the machine was asleep. */
export const maxJumpMs = 500

/** The wall clock and the monotonic clock of a process in one moment, in ms. */
export interface ClockReading {
  readonly wall: number
  readonly monotonic: number
}

/** A process that is held up between the two would see a jump where there was none, so it reads again. */
export function readTogether(wall: () => number, monotonic: () => number): ClockReading {
  for (let count = 1; ; count++) {
    const before = monotonic()
    const read = { wall: wall(), monotonic: monotonic() }
    if (read.monotonic - before <= maxApartMs || count === maxReadings) return read
  }
}

/** How far the wall clock went alone between two readings. */
export const jumpMs = (before: ClockReading, after: ClockReading): number =>
  after.wall - before.wall - (after.monotonic - before.monotonic)
