import { ProbeReadings } from '../../src/store/probe-readings'
import type { Store } from '../../src/store/store'
import { testStore } from '../support/ground'
import { until } from '../support/until'

let store: Store
let drop: () => Promise<void>
let readings: ProbeReadings
beforeAll(async () => {
  ;({ store, drop } = await testStore())
  readings = new ProbeReadings(store.database)
})
afterAll(() => drop())

const minuteMs = 60_000
const known = async (release: string) => (await readings.of(release, ['queue']))[0]

it('tells how long a probe has been asked without a break', async () => {
  await readings.add('one', 'queue', { value: 1 }, minuteMs)
  const asked = async () => (await known('one'))?.askedForMs ?? 0
  await until('time has passed', async () => (await asked()) > 20)
  await readings.add('one', 'queue', { fault: 'provider_down', text: 'oh' }, minuteMs)
  const reading = await known('one')
  expect(reading).toMatchObject({ value: 1, fault: { reason: 'provider_down', text: 'oh' } })
  expect(reading?.askedForMs).toBeGreaterThan(20)
  expect(reading?.askedForMs).toBeGreaterThan(reading?.newestMs ?? Number.NaN)
  expect(reading?.ageMs).toBeGreaterThanOrEqual(reading?.askedForMs ?? Number.NaN)
  await until('a gap has passed', async () => ((await known('one'))?.newestMs ?? 0) > 20)
  await readings.add('one', 'queue', { value: 2 }, 10)
  const after = await known('one')
  expect(after).toEqual({ value: 2, ageMs: after?.newestMs, askedForMs: after?.newestMs, newestMs: after?.newestMs })
})

it('keeps what a provider says as it is', async () => {
  const text = '$value is "{{no}}" number: $$NOW'
  await readings.add('$two', 'queue', { fault: 'answer_unusable', text }, minuteMs)
  expect((await known('$two'))?.fault?.text).toBe(text)
})

it('knows nothing of a probe that was never asked', async () => {
  expect(await known('three')).toEqual({})
})
