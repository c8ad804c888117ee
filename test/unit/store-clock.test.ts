import { SluiceError } from '../../src/errors'
import type { Database } from '../../src/store/database'
import { StoreClock } from '../../src/store/store-clock'

const hourMs = 3_600_000

describe('the clock of the store', () => {
  it('gives no time that it cannot be sure of: after a jump it measures again or throws', async () => {
    let answer = async () => 1_000_000
    const database = { now: () => answer() } as unknown as Database
    const clock = new StoreClock(database)
    expect(await clock.now()).toBeGreaterThanOrEqual(1_000_000)

    answer = async () => {
      throw new SluiceError('store_unavailable', 'MongoDB does not answer.')
    }
    expect(await clock.now()).toBeLessThan(1_000_000 + hourMs)
    const wall = Date.now()
    const jump = jest.spyOn(Date, 'now').mockReturnValue(wall + hourMs)
    try {
      await expect(clock.now()).rejects.toMatchObject({ code: 'store_unavailable' })
      answer = async () => 1_000_000 + hourMs
      expect(await clock.now()).toBeGreaterThanOrEqual(1_000_000 + hourMs)
    } finally {
      jump.mockRestore()
    }
  })

  it('takes a process that was held up between its two clocks for no jump', async () => {
    let isAway = false
    const now = async () => {
      if (isAway) throw new SluiceError('store_unavailable', 'MongoDB does not answer.')
      return 1_000_000
    }
    const clock = new StoreClock({ now } as unknown as Database)
    await clock.now()
    isAway = true
    const [wall, elapsed] = [Date.now(), performance.now()]
    let heldUpMs = 0
    const clocks = [
      jest.spyOn(performance, 'now').mockImplementation(() => elapsed + heldUpMs),
      jest.spyOn(Date, 'now').mockImplementation(() => {
        const read = wall + heldUpMs
        heldUpMs = 2_000
        return read
      }),
    ]
    try {
      expect(await clock.now()).toBeGreaterThanOrEqual(1_000_000)
    } finally {
      for (const one of clocks) one.mockRestore()
    }
  })
})
