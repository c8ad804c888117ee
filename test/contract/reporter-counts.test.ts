import { maxReportersPerUnit } from '../../src/domain/telemetry-fold'
import type { Digest } from '../../src/domain/version'
import type { Providers } from '../../src/store/providers'
import { createTelemetry } from '../../src/store/telemetry'
import {
  batchOf,
  emptyBatch,
  environment,
  type TrafficGround,
  task,
  trafficGround,
  unitName,
  unitReport,
} from '../support/traffic'

let ground: TrafficGround
let seq: number
let candidate: Digest

beforeAll(async () => {
  ground = await trafficGround()
  await ground.settle(0)
  candidate = await ground.composite(1)
  seq = (await ground.step({ incumbent: 0, candidate: 1 })).seq
})
afterAll(() => ground.end())

const key = () => ({ task, seq, slice: 0, arm: 'candidate' as const, composite: candidate })
const countsOf = async (name: string) => {
  const found = (await ground.store.telemetry.reporters.list(environment)).find(({ reporter }) => reporter === name)
  return { refused: found?.refused, late: found?.late.length }
}

it('counts a batch once that failed in part and was sent again', async () => {
  const { database, providers } = ground.store
  let failing = true
  const flaky: Providers = Object.create(providers, {
    reported: {
      async value(...told: Parameters<Providers['reported']>) {
        if (failing) throw new Error('the connection was lost')
        return providers.reported(...told)
      },
    },
  })
  const server = createTelemetry(database, flaky)
  const { strata } = batchOf('torn', { ...key(), seq: 99 }, [unitReport({ unit: unitName(1) })])
  const late = [{ task, seq, lateMs: 5 }]
  const batch = { ...emptyBatch('torn'), strata, late }
  for (let attempt = 0; attempt < 3; attempt++) {
    await expect(server.ingest(batch, 'app', 2)).rejects.toThrow('the connection was lost')
  }
  failing = false
  expect(await server.ingest(batch, 'app', 2)).toMatchObject({ refusedCount: 1 })
  expect(await countsOf('torn')).toEqual({ refused: 3, late: 1 })
})

it('keeps the heads of lanes that there are, whatever else a process names', async () => {
  const invented = Array.from({ length: 5_000 }, (_, index) => [`${index}`.padEnd(200, 'x'), 7] as const)
  const server = createTelemetry(ground.store.database, ground.store.providers)
  const told = { ...emptyBatch('inventor'), appliedHeads: { ...Object.fromEntries(invented), [task]: 2 } }
  await server.ingest(told, 'app')
  await server.ingest({ ...told, appliedHeads: { ...told.appliedHeads, [task]: 3 } }, 'app')
  const found = (await server.reporters.list(environment)).find(({ reporter }) => reporter === 'inventor')
  expect(found?.appliedHeads).toEqual({ [task]: 3 })
})

it('counts every unit that has no room, as the answer does', async () => {
  const reports = [2, 3].map((number) => unitReport({ unit: unitName(number) }))
  const send = (reporter: string) => ground.store.telemetry.ingest(batchOf(reporter, key(), reports), 'app')
  for (let index = 0; index < maxReportersPerUnit; index++) await send(`fits-${index}`)
  expect(await send('one-too-many')).toMatchObject({ units: 0, refused: [{ path: '/strata' }], refusedCount: 2 })
  expect(await countsOf('one-too-many')).toEqual({ refused: 2, late: 0 })
  expect(await countsOf('fits-0')).toEqual({ refused: 0, late: 0 })
})
