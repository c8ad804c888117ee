import { randomUUID } from 'node:crypto'
import type { TelemetryAnswer } from '../../src/domain/telemetry'
import type { SluiceError } from '../../src/errors'
import type { Serving, Sluice } from '../../src/sdk'
import {
  emptyBatch,
  environment,
  next,
  served,
  type TestServer,
  type TrafficGround,
  task,
  trafficGround,
  unitName,
  unitReport,
  wireTo,
} from '../support/traffic'
import { until } from '../support/until'

let ground: TrafficGround
let server: TestServer

beforeEach(async () => {
  ground = await trafficGround()
  server = await ground.serve()
  await ground.settle(0)
})
afterEach(() => ground.end())

const startedNow = async () => (await ground.store.database.now()) + 1
const selection = { environment, task, releaseId: 'release-1' }

function servingOf(sluice: Sluice, conversation: string, how: { startedAt: number } | { binding: string }): Serving {
  const result = sluice.resolve(task, { tenant: 'acme', conversation, ...how })
  if (result.skip !== undefined) throw new Error(`skipped: ${result.skip}`)
  return result
}

async function stratum() {
  const [found] = await ground.store.telemetry.read.strataOf(selection)
  if (!found) throw new Error('no stratum')
  return found
}

describe('reports of applications', () => {
  it('are no evidence where the application served by an older entry than the conversation is bound to', async () => {
    const { seq } = await ground.step({ incumbent: 0, candidate: 1 })
    const sluice = await ground.connect(server.url, { allowBehind: true })
    const serving = servingOf(sluice, 'c-1', { binding: `b1.${seq + 1}.0` })
    expect([serving.behind, serving.seq]).toEqual([true, seq])
    sluice.report(serving, { outcome: 'ok', latencyMs: 100 })
    await sluice.flush()
    const { candidate, incumbent } = await stratum()
    expect(candidate.units + incumbent.units).toBe(0)
    const composite = serving.composite.id
    expect(await ground.store.telemetry.read.compositeTotals({ ...selection, composite })).toMatchObject({ units: 1 })
  })

  it('count each conversation once though it hops between three replicas', async () => {
    await ground.step({ incumbent: 0, candidate: 1, thresholds: { costUsd: 0.001, latencyMs: 500 } })
    const replicas = await Promise.all([0, 1, 2].map(() => ground.connect(server.url)))
    const startedAt = await startedNow()
    const arms = { candidate: 0, incumbent: 0 }
    for (let conversation = 0; conversation < 40; conversation++) {
      let binding: string | undefined
      for (const [turn, replica] of replicas.entries()) {
        const serving = servingOf(replica, `c-${conversation}`, binding === undefined ? { startedAt } : { binding })
        binding = serving.binding
        const outcome = turn === 2 && conversation % 4 === 0 ? 'error' : 'ok'
        replica.report(serving, {
          outcome,
          latencyMs: turn === 0 ? 900 : 100,
          inputTokens: 1_000,
          cachedTokens: 500,
          outputTokens: 100,
        })
        if (turn === 2) {
          replica.close(serving)
          arms[serving.arm as 'candidate' | 'incumbent']++
        }
      }
    }
    await Promise.all(replicas.map((replica) => replica.flush()))
    const { candidate, incumbent, share, slice } = await stratum()
    expect([share, slice]).toEqual([0.5, 0])
    expect([candidate.units, incumbent.units]).toEqual([arms.candidate, arms.incumbent])
    expect(candidate.requests + incumbent.requests).toBe(120)
    expect(candidate.events.error + incumbent.events.error).toBe(10)
    expect(candidate.events.latency_exceeded).toBe(arms.candidate)
    expect(candidate.events.cost_exceeded).toBe(arms.candidate)
    const perRequest = (500 * 2 + 500 * 1 + 100 * 8) / 1e6
    expect(candidate.costUsd).toBeCloseTo(arms.candidate * 3 * perRequest, 9)
    expect(candidate.uncachedCostUsd).toBeCloseTo((arms.candidate * 3 * (1_000 * 2 + 100 * 8)) / 1e6, 9)
    const log = await ground.store.telemetry.requests.ofConversation('acme', 'c-0')
    expect(log).toHaveLength(3)
    expect(new Set(log.map(({ composite }) => composite)).size).toBe(1)
  })

  it('survive a server that is away, and arrive once', async () => {
    await ground.step({ incumbent: 0, candidate: 1 })
    const wire = await wireTo(server.url)
    const sluice = await ground.connect(wire.url)
    const startedAt = await startedNow()
    sluice.report(servingOf(sluice, 'c-0', { startedAt }), { outcome: 'ok', latencyMs: 10 })
    await sluice.flush()
    wire.cut()
    for (const conversation of ['c-0', 'c-1']) {
      sluice.report(servingOf(sluice, conversation, { startedAt }), { outcome: 'ok', latencyMs: 10 })
    }
    await expect(sluice.flush()).rejects.toMatchObject({ code: 'api_unreachable' })
    wire.mend()
    await sluice.flush()
    const { candidate, incumbent } = await stratum()
    expect([candidate.units + incumbent.units, candidate.requests + incumbent.requests]).toEqual([2, 3])
    expect(sluice.dropped).toBe(0)
    await wire.close()
  })

  it('are sent at shutdown, and seal after the conversation was closed', async () => {
    await ground.step({ incumbent: 0, candidate: 1 })
    const sluice = await ground.connect(server.url, { flushIntervalMs: 3_600_000 })
    const serving = servingOf(sluice, 'c-0', { startedAt: await startedNow() })
    sluice.report(serving, { outcome: 'ok', latencyMs: 10, costUsd: 0.25 })
    sluice.close(serving)
    await sluice.shutdown()
    const due = { due: { $exists: true } }
    const units = ground.store.database.collection('units')
    while ((await units.countDocuments(due)) > 0) await ground.store.telemetry.seal()
    const closed = (await stratum())[serving.arm as 'candidate' | 'incumbent'].closed
    expect(closed.cost_usd).toMatchObject({ n: 1, sum: 0.25 })
  })

  it('refuse amounts that cannot be true with an error event, never by throwing', async () => {
    await ground.step({ incumbent: 0, candidate: 1 })
    const errors: SluiceError[] = []
    const sluice = await ground.connect(server.url, { onError: (error) => errors.push(error) })
    const serving = servingOf(sluice, 'c-0', { startedAt: await startedNow() })
    const ok = { outcome: 'ok' as const, latencyMs: 10 }
    for (const bad of [
      { costUsd: Number.NaN },
      { costUsd: -1 },
      { latencyMs: Infinity },
      { inputTokens: 1.5 },
      { costUsd: 1e9 },
    ]) {
      expect(sluice.report(serving, { ...ok, ...bad })).toBe(false)
    }
    expect(sluice.outcome(task, serving, { metric: 'human_csat', value: Number.NaN })).toBe(false)
    expect(errors.map(({ code }) => code)).toEqual(Array(6).fill('invalid_telemetry'))
    expect(sluice.dropped).toBe(6)
    expect(sluice.report(serving, ok)).toBe(true)
    await sluice.flush()
    const { candidate, incumbent } = await stratum()
    expect(candidate.requests + incumbent.requests).toBe(1)
  })

  it('count an output that does not fit the served schema, and leave filtered requests out of the tests', async () => {
    await ground.step({ incumbent: 0, candidate: 1 })
    const sluice = await ground.connect(server.url)
    const startedAt = await startedNow()
    const report = (conversation: string, output: unknown) =>
      sluice.report(servingOf(sluice, conversation, { startedAt }), { outcome: 'ok', latencyMs: 1, output })
    report('c-0', { csat: 'high' })
    report('c-1', { csat: 4 })
    sluice.report(servingOf(sluice, 'c-2', { startedAt }), {
      requestId: 'filtered-1',
      outcome: 'filtered',
      latencyMs: 0,
    })
    await sluice.flush()
    const { candidate, incumbent } = await stratum()
    expect(candidate.units + incumbent.units).toBe(2)
    expect(candidate.schemaFailureRequests + incumbent.schemaFailureRequests).toBe(1)
    expect(await ground.store.telemetry.requests.find('filtered-1')).toMatchObject({ outcome: 'filtered' })
  })

  it('mark conversations begun between an entry and the moment it was heard of, and name the lateness', async () => {
    const wire = await wireTo(server.url)
    const sluice = await ground.connect(wire.url)
    const failed = next(sluice, 'error')
    wire.cut()
    await failed
    const { at } = await ground.step({ incumbent: 0, candidate: 1 })
    // Further from the entry than any error of the clock offset that the application has measured before it.
    const startedAt = at + 1_000
    const early = servingOf(sluice, 'c-0', { startedAt })
    expect(early.seq).toBe(1)
    sluice.report(early, { outcome: 'ok', latencyMs: 1 })
    const heardAt = startedAt + 1_000
    await until('the conversation began long ago', async () => (await ground.store.database.now()) > heardAt)
    wire.mend()
    await served(sluice, 2)
    const moved = servingOf(sluice, 'c-0', { startedAt })
    expect(moved.seq).toBe(2)
    sluice.report(moved, { outcome: 'error', latencyMs: 1 })
    await sluice.flush()
    const { candidate, incumbent } = await stratum()
    expect(candidate.units + incumbent.units).toBe(0)
    const totals = await ground.store.telemetry.read.compositeTotals({ ...selection, composite: moved.composite.id })
    expect(totals).toMatchObject({ units: 1, errorRequests: 1 })
    const [reporter] = await ground.store.telemetry.reporters.list(environment)
    expect(reporter?.late).toEqual([{ task, seq: 2, lateMs: expect.any(Number) }])
    expect(reporter?.behind).toEqual([])
    await wire.close()
  })

  it('keep late outcomes beside the conversation, once', async () => {
    const sluice = await ground.connect(server.url)
    const of = { tenant: 'acme', conversation: 'c-0' }
    for (let again = 0; again < 2; again++) sluice.outcome(task, of, { id: 'survey-1', metric: 'human_csat', value: 4 })
    await sluice.flush()
    const kept = await ground.store.telemetry.requests.outcomesOf('acme', 'c-0')
    expect(kept).toMatchObject([{ id: 'survey-1', metric: 'human_csat', value: 4 }])
  })

  it('tell by which entry each application serves, without traffic too', async () => {
    const sluice = await ground.connect(server.url)
    await ground.step({ incumbent: 0, candidate: 1 })
    await served(sluice, 2)
    await sluice.flush()
    const reporters = await ground.store.telemetry.reporters.list(environment)
    expect(reporters).toMatchObject([{ appliedHeads: { [task]: 2 }, behind: [], active: true, principal: 'app' }])
  })
})

describe('telemetry over HTTP', () => {
  const post = async (body: unknown) => {
    const headers = { authorization: `Bearer ${ground.appKey}`, 'content-type': 'application/json' }
    const response = await fetch(`${server.url}/v1/telemetry`, { method: 'POST', headers, body: JSON.stringify(body) })
    return { status: response.status, body: (await response.json()) as TelemetryAnswer }
  }

  it('takes the good records of a batch and names each refused one', async () => {
    await ground.step({ incumbent: 0, candidate: 1 })
    const key = { task, seq: 2, slice: 0, arm: 'candidate', composite: await ground.composite(1) }
    const units = [
      unitReport({ unit: unitName(0) }),
      { ...unitReport({ unit: unitName(1) }), costUsd: Number.NaN },
      unitReport({ unit: unitName(2), costUsd: -1 }),
      unitReport({ unit: unitName(3), errors: 5, events: ['error'] }),
      unitReport({ unit: unitName(4), errors: 1 }),
      unitReport({ unit: unitName(5), latencyMs: 1e12 }),
      'rubbish',
      unitReport({ unit: unitName(6), tenant: 'ac\0me' }),
    ]
    const request = {
      ...key,
      requestId: randomUUID(),
      tenant: 'acme',
      conversation: 'c-0',
      reason: 'slice',
      binding: 'b1.2.0',
      at: Date.now(),
      outcome: 'ok',
      latencyMs: 5,
      inputTokens: 1,
      cachedTokens: 0,
      outputTokens: 1,
      costUsd: 0,
      uncachedCostUsd: 0,
      cacheAgeMs: 0,
      headSeq: 2,
      tenantSeq: 0,
      stale: false,
    }
    const requests = [
      { ...request, surprise: true },
      { ...request, seq: 77, requestId: 'other' },
      { ...request, conversation: 'c\ud800', requestId: 'half a character' },
      request,
    ]
    const answer = await post({ ...emptyBatch('replica-1'), strata: [{ ...key, units }], requests })
    expect(answer.status).toBe(200)
    expect(answer.body).toMatchObject({ accepted: { units: 1, requests: 1 }, refusedCount: 10 })
    expect(answer.body.refused.map(({ path }: { path: string }) => path)).toEqual([
      ...[1, 2, 3, 4, 5, 6, 7].map((index) => `/strata/0/units/${index}`),
      '/requests/0',
      '/requests/2',
      '/requests/1',
    ])
    const [reporter] = await ground.store.telemetry.reporters.list(environment)
    expect(reporter?.refused).toBe(10)
    const found = await fetch(`${server.url}/v1/requests/${request.requestId}`, {
      headers: { authorization: `Bearer ${ground.adminKey}` },
    })
    expect(await found.json()).toMatchObject({ ...request, environment, reporter: 'replica-1' })
  })

  it('refuses an envelope that is wrong as a whole, and a key that may not read the log', async () => {
    expect(await post({ ...emptyBatch('replica-1'), surprise: 1 })).toMatchObject({
      status: 400,
      body: { code: 'invalid_request' },
    })
    expect(await post({ ...emptyBatch('no') })).toMatchObject({ status: 400 })
    const headers = { authorization: `Bearer ${ground.appKey}` }
    expect((await fetch(`${server.url}/v1/requests/some`, { headers })).status).toBe(403)
  })
})
