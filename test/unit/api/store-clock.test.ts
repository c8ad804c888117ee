import { StoreClock } from '../../../src/api/store-clock'
import { SluiceError } from '../../../src/errors'
import type { Database } from '../../../src/store/database'

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
})
