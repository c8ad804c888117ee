import { believedSilence } from '../../src/store/reporter-silence'

const tickMs = 1_000
let now = 5_000
let isAway = false
let silent: (environment: string) => Promise<boolean>
beforeEach(() => {
  isAway = false
  const ask = async () => {
    if (isAway) throw new Error('the database is away')
    return true
  }
  silent = believedSilence(ask, () => now)
})

/** What the last of so many ticks says; those that fail say nothing. */
async function ticks(count: number, ms = tickMs): Promise<boolean | undefined> {
  let said: boolean | undefined
  for (let tick = 0; tick < count; tick++) {
    now += ms
    said = await silent('production').catch(() => undefined)
  }
  return said
}

it('is believed by a process that has read for a minute', async () => {
  expect(await ticks(60)).toBe(false)
  expect(await ticks(1)).toBe(true)
})

it('is not believed for a minute after the database or the process was away', async () => {
  await ticks(100)
  isAway = true
  expect(await ticks(70)).toBeUndefined()
  isAway = false
  expect(await ticks(60)).toBe(false)
  expect(await ticks(1)).toBe(true)
  expect(await ticks(1, 16_000)).toBe(false)
})

it('is believed by a process whose ticks are slow', async () => {
  expect(await ticks(5, 15_000)).toBe(true)
})
