import { ServerClock } from '../../src/sdk/server-clock'

const anHourMs = 3_600_000
const beatMs = 10_000

/** A machine whose two clocks a test moves, and a server whose clock is right. */
class Machine {
  monotonic = 5_000
  wall = Date.UTC(2026, 2, 3)
  server = this.wall
  readonly clock: ServerClock
  jumps = 0
  /** The process is held up for so long after it read the wall clock next. */
  heldUpMs = 0

  constructor() {
    jest.spyOn(performance, 'now').mockImplementation(() => this.monotonic)
    this.clock = new ServerClock(() => {
      const { wall } = this
      this.pass(this.heldUpMs)
      this.heldUpMs = 0
      return wall
    })
    this.clock.onJump = () => this.jumps++
  }

  pass(ms: number): void {
    this.monotonic += ms
    this.wall += ms
    this.server += ms
  }

  /** The monotonic clock stands still, as it does on Linux. */
  sleep(ms: number): void {
    this.wall += ms
    this.server += ms
  }

  answer(roundTripMs: number): void {
    const sentAt = this.clock.elapsed()
    this.pass(roundTripMs / 2)
    const { server } = this
    this.pass(roundTripMs / 2)
    this.clock.sample(server, sentAt, this.clock.elapsed())
  }

  get wrongMs(): number {
    return this.clock.now() - this.server
  }
}

let machine: Machine
beforeEach(() => {
  machine = new Machine()
})
afterEach(() => jest.restoreAllMocks())

describe("the server's clock as an application knows it", () => {
  it('is right after a sleep, at once and after the next answer, however good the samples before were', async () => {
    machine.answer(2)
    const before = machine.clock.elapsed()
    machine.sleep(8 * anHourMs)
    expect(machine.wrongMs).toBe(0)
    expect(machine.clock.elapsed() - before).toBe(8 * anHourMs)
    machine.pass(beatMs)
    machine.answer(40)
    expect(machine.wrongMs).toBe(0)
    await Promise.resolve()
    expect(machine.jumps).toBe(1)
  })

  it.each([anHourMs, -anHourMs])(
    'is right again with the next answer after this clock was set by %i ms',
    async (ms) => {
      machine.answer(2)
      machine.wall += ms
      machine.clock.elapsed()
      await Promise.resolve()
      expect(machine.jumps).toBe(1)
      machine.answer(40)
      expect(machine.wrongMs).toBe(0)
      expect(machine.clock.corrected(machine.wall)).toBe(machine.server)
    },
  )

  it('follows a server whose clock was set, at the first answer that the samples before cannot agree with', () => {
    machine.answer(2)
    machine.server += 1_000
    machine.answer(40)
    expect(machine.wrongMs).toBe(0)
  })

  it('takes a process that was held up between the two clocks for no sleep', async () => {
    machine.answer(2)
    machine.pass(beatMs + 1)
    machine.heldUpMs = 2_000
    machine.clock.elapsed()
    machine.pass(beatMs + 1)
    machine.clock.elapsed()
    await Promise.resolve()
    expect(machine.jumps).toBe(0)
    expect(machine.wrongMs).toBe(0)
  })

  it('believes the shortest of the round trips that agree, and takes slow drift for no jump', async () => {
    machine.answer(2)
    const { server } = machine
    // The way there took all of the time: half of the round trip is wrong by 50 ms.
    const sentAt = machine.clock.elapsed()
    machine.pass(100)
    machine.clock.sample(machine.server, sentAt, machine.clock.elapsed())
    expect(machine.server).toBe(server + 100)
    expect(machine.wrongMs).toBe(0)
    for (let beat = 0; beat < 1_000; beat++) {
      machine.pass(beatMs + 1)
      machine.wall += 2
      machine.clock.elapsed()
    }
    await Promise.resolve()
    expect(machine.jumps).toBe(0)
  })
})
