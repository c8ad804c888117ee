import { AgeWatch } from '../../src/sdk/age-watch'
import { HeldSnapshot } from '../../src/sdk/held-snapshot'
import { ServerClock } from '../../src/sdk/server-clock'

const dayMs = 86_400_000

beforeEach(() => jest.useFakeTimers())
afterEach(() => jest.useRealTimers())

function watched(maxStaleMs: number) {
  const held = new HeldSnapshot(new ServerClock(Date.now))
  const told: number[] = []
  const watch = new AgeWatch(held, maxStaleMs, ({ ageMs }) => told.push(ageMs))
  return { held, watch, told }
}

it('tells at an age beyond what one timer can wait for, and not before', () => {
  const { held, watch, told } = watched(60 * dayMs)
  held.confirm()
  watch.watch()
  jest.advanceTimersByTime(60 * dayMs)
  expect(told).toEqual([])
  jest.advanceTimersByTime(1)
  expect(told).toEqual([60 * dayMs + 1])
})

it.each([0, Number.POSITIVE_INFINITY])('never tells where no age is too old: confirmed %d ms ago', (ageMs) => {
  const { held, watch, told } = watched(Number.POSITIVE_INFINITY)
  held.confirm(ageMs)
  watch.watch()
  watch.woke()
  jest.advanceTimersByTime(60 * dayMs)
  expect(told).toEqual([])
})

it('waits on where its timer fires before its time', () => {
  const { held, watch, told } = watched(1_000)
  held.confirm()
  watch.watch()
  // Younger than when the timer was set, and nobody set it anew.
  held.confirm(-500)
  jest.advanceTimersByTime(1_500)
  expect(told).toEqual([])
  jest.advanceTimersByTime(2)
  expect(told).toHaveLength(1)
})
