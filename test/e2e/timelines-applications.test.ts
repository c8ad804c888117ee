import type { Serving, Sluice } from '../../src/sdk'
import {
  next,
  served,
  type TestServer,
  type TrafficGround,
  task,
  trafficGround,
  type Wire,
  wireTo,
} from '../support/traffic'
import { until } from '../support/until'

let ground: TrafficGround
let server: TestServer
let wire: Wire

beforeEach(async () => {
  ground = await trafficGround()
  server = await ground.serve()
  wire = await wireTo(server.url)
})
afterEach(async () => {
  await ground.end()
  await wire.close()
})

const author = { by: 'ann', reason: 'for a test' }
const now = () => ground.store.database.now()
const hour = 3_600_000

type How = { readonly startedAt: number } | { readonly binding: string }

function serving(sluice: Sluice, conversation: string, how: How): Serving {
  const result = sluice.resolve(task, { tenant: 'acme', conversation, ...how })
  if (result.skip !== undefined) throw new Error(`skipped: ${result.skip}`)
  return result
}

const id = (sluice: Sluice, conversation: string, how: How) => serving(sluice, conversation, how).composite.id

describe('rule 2 in applications: an app that hears of a step late', () => {
  it('keeps a conversation by its binding, moves one known by its start alone once, and says so', async () => {
    const incumbent = await ground.settle(0)
    const candidate = await ground.composite(1)
    const [prompt, deaf] = [await ground.connect(server.url), await ground.connect(wire.url)]
    const failed = next(deaf, 'error')
    wire.cut()
    await failed
    const { at } = await ground.step({ incumbent: 0, candidate: 1, basisPoints: 10_000, leadMs: 1_500 })
    await served(prompt, 2)
    // Well after the entry, and not yet in the future of anybody who may be a little behind.
    const startedAt = at + 500
    expect(id(prompt, 'c-0', { startedAt })).toBe(candidate)
    const kept = serving(deaf, 'c-1', { startedAt })
    expect(kept.composite.id).toBe(incumbent)
    expect(id(deaf, 'c-2', { startedAt })).toBe(incumbent)
    await until('the deaf one is behind', async () => (await now()) > startedAt)
    wire.mend()
    await served(deaf, 2)
    expect(id(deaf, 'c-1', { binding: kept.binding })).toBe(incumbent)
    for (let turn = 0; turn < 2; turn++) expect(id(deaf, 'c-2', { startedAt })).toBe(candidate)
    await deaf.flush()
    const reporters = await ground.store.telemetry.reporters.list('production')
    expect(reporters.flatMap(({ late }) => late)).toEqual([{ task, seq: 2, lateMs: expect.any(Number) }])
  })

  it('has a rollback to tell it nothing late: it acts on receipt', async () => {
    const incumbent = await ground.settle(0)
    const deaf = await ground.connect(wire.url)
    const { at } = await ground.step({ incumbent: 0, candidate: 1, basisPoints: 10_000, leadMs: 1_500 })
    await served(deaf, 2)
    const { binding } = serving(deaf, 'c-1', { startedAt: at + 500 })
    const failed = next(deaf, 'error')
    wire.cut()
    await failed
    await ground.rollback('release-1')
    await until('the rollback counts', async () => (await now()) > at + 100)
    wire.mend()
    await served(deaf, 3)
    expect(serving(deaf, 'c-1', { binding })).toMatchObject({
      reason: 'revoked',
      arm: 'none',
      composite: { id: incumbent },
    })
    await deaf.flush()
    const reporters = await ground.store.telemetry.reporters.list('production')
    expect(reporters.flatMap(({ late }) => late)).toEqual([])
  })
})

describe('rule 2 in applications: an app whose clock is an hour off', () => {
  it.each([1, -1])('%i h: binds each conversation to the entry of the true moment', async (hours) => {
    await ground.settle(0)
    const { at } = await ground.step({ incumbent: 0, candidate: 1, basisPoints: 10_000, leadMs: 1_500 })
    const clock = () => Date.now() + hours * hour
    const [right, wrong] = [await ground.connect(server.url), await ground.connect(server.url, { clock })]
    for (const offset of [-700, 300]) {
      const truth = serving(right, 'c-1', { startedAt: at + offset })
      const bound = serving(wrong, 'c-1', { startedAt: at + offset + hours * hour })
      expect([bound.binding, bound.arm, bound.composite.id]).toEqual([truth.binding, truth.arm, truth.composite.id])
      expect(bound.seq).toBe(offset < 0 ? 1 : 2)
      expect(serving(wrong, 'c-1', { binding: truth.binding }).composite.id).toBe(truth.composite.id)
    }
    const future = () => wrong.resolve(task, { tenant: 'acme', conversation: 'c-1', startedAt: clock() + hour })
    expect(future).toThrow(expect.objectContaining({ code: 'start_in_future' }))
  })
})

describe('rules 1, 3 and 5 in applications', () => {
  it('rule 3: a tenant moved into the pilot ring in the middle of a conversation finishes it outside', async () => {
    const incumbent = await ground.settle(0)
    const candidate = await ground.composite(1)
    const exposure = [{ to: { ring: 'pilot' }, basisPoints: 10_000, by: 'conversation' }] as const
    await ground.step({ incumbent: 0, candidate: 1, exposure })
    const sluice = await ground.connect(server.url)
    const before = serving(sluice, 'c-1', { startedAt: await now() })
    expect(before).toMatchObject({ reason: 'no_slice', tenantSeq: 0, composite: { id: incumbent } })
    const changed = next(sluice, 'change')
    const { at } = await ground.tenants.put('acme', { ring: 'pilot' }, author)
    await changed
    expect(id(sluice, 'c-1', { binding: before.binding })).toBe(incumbent)
    expect(id(sluice, 'c-1', { startedAt: at - 500 })).toBe(incumbent)
    await until('the edit counts', async () => (await now()) > at + 500)
    expect(serving(sluice, 'c-2', { startedAt: at + 500 })).toMatchObject({
      arm: 'candidate',
      composite: { id: candidate },
    })
    expect(id(sluice, 'c-1', { binding: before.binding })).toBe(incumbent)
  })

  it('rule 1: disable and enable in the middle of a ramp are seen by every app, and bindings are back', async () => {
    await ground.settle(0)
    await ground.step({ incumbent: 0, candidate: 1, basisPoints: 10_000 })
    const apps = [await ground.connect(server.url), await ground.connect((await ground.serve()).url)]
    await Promise.all(apps.map((app) => served(app, 2)))
    const [first, second] = apps as [Sluice, Sluice]
    const { binding, composite } = serving(first, 'c-1', { startedAt: (await now()) + 500 })
    const flag = (disabled: boolean) =>
      ground.ledger.setDisabled({ environment: 'production', task, key: `k-${disabled}`, disabled, ...author })
    await flag(true)
    await Promise.all(apps.map((app) => served(app, 3)))
    for (const app of apps)
      expect(app.resolve(task, { tenant: 'acme', conversation: 'c-1', binding })).toEqual({ skip: 'disabled' })
    await flag(false)
    await Promise.all(apps.map((app) => served(app, 4)))
    expect(id(second, 'c-1', { binding })).toBe(composite.id)
  })

  it('rule 5: a conversation on v0 while v2 rolls back does not move in any app', async () => {
    const v0 = await ground.settle(0)
    const sluice = await ground.connect(server.url)
    const { binding } = serving(sluice, 'c-1', { startedAt: await now() })
    const v1 = await ground.settle(1)
    await ground.step({ incumbent: 1, candidate: 2, basisPoints: 10_000 })
    await served(sluice, 3)
    const young = serving(sluice, 'c-2', { startedAt: (await now()) + 500 })
    await ground.rollback('release-1')
    await served(sluice, 4)
    expect(serving(sluice, 'c-1', { binding })).toMatchObject({ reason: 'settled', composite: { id: v0 } })
    expect(serving(sluice, 'c-2', { binding: young.binding })).toMatchObject({
      reason: 'revoked',
      composite: { id: v1 },
    })
  })
})
