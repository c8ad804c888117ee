import { randomUUID } from 'node:crypto'
import { assess } from '../../src/domain/analysis'
import type { LateOutcome } from '../../src/domain/telemetry'
import type { Digest } from '../../src/domain/version'
import { unitHash } from '../../src/sdk/recorder'
import { Serving } from '../../src/sdk/serving'
import { unitOf } from '../../src/store/outcome-join'
import { createTelemetry } from '../../src/store/telemetry'
import { inputOf, policyWith } from '../support/assessment'
import {
  batchOf,
  emptyBatch,
  environment,
  next,
  served,
  type TrafficGround,
  task,
  trafficGround,
  unitReport,
} from '../support/traffic'
import { until } from '../support/until'

const quality = [{ metric: 'human_csat', custom: { failsBelow: 3 } }] as const
const timers = ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'clearImmediate'] as const
const policy = policyWith({ guardrail: { metric: 'human_csat', custom: { failsBelow: 3 }, margin: 0 } })

let ground: TrafficGround
let candidate: Digest
let incumbent: Digest
let seq: number
let releaseId: string
let releases = 0

beforeAll(async () => {
  ground = await trafficGround()
  incumbent = await ground.settle(0)
})
afterAll(() => ground.end())
afterEach(() => ground.rollback(releaseId))
beforeEach(async () => {
  releaseId = `told-${++releases}`
  candidate = await ground.composite(releases)
  seq = (await ground.step({ incumbent: 0, candidate: releases, releaseId, watches: { quality } })).seq
})

const strata = () => ground.store.telemetry.read.strataOf({ environment, task, releaseId })
const outcome = (conversation: string, value: number, change: Partial<LateOutcome> = {}): LateOutcome => ({
  ...{ id: randomUUID(), task, tenant: 'acme', conversation, metric: 'human_csat', value, at: 1 },
  ...change,
})

/** Conversations that one process serves and reports under its key. */
async function serve(
  conversations: readonly string[],
  arm: 'candidate' | 'incumbent',
  reporter = 'process-1',
  key = 'app',
) {
  const stratum = { task, seq, slice: 0, arm, composite: arm === 'candidate' ? candidate : incumbent }
  const units = conversations.map((conversation) => unitReport({ unit: unitHash('acme', conversation) }))
  const requests = conversations.map((conversation) => ({
    ...{ ...stratum, requestId: randomUUID(), tenant: 'acme', conversation, reason: 'exposed', binding: '', at: 1 },
    ...{ outcome: 'ok' as const, latencyMs: 1, inputTokens: 1, cachedTokens: 0, outputTokens: 1, costUsd: 0 },
    ...{ uncachedCostUsd: 0, cacheAgeMs: 0, headSeq: seq, tenantSeq: 0, stale: false },
  }))
  const batch = { ...batchOf(reporter, stratum, units), requests }
  expect((await ground.store.telemetry.ingest(batch, key)).refused).toEqual([])
}

const tell = (outcomes: readonly LateOutcome[], reporter = 'process-1', key = 'app') =>
  ground.store.telemetry.ingest({ ...emptyBatch(reporter), lateOutcomes: outcomes }, key)
async function joinAll(): Promise<void> {
  while ((await ground.store.telemetry.join()) > 0);
}
const names = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${prefix}-${releases}-${index}`)

it('names conversations as applications do', () => {
  expect(unitOf('acme', 'c-1')).toBe(unitHash('acme', 'c-1'))
})

it('that a process tells later joins the stratum of its conversation, once, and takes the release back', async () => {
  const [own, other] = [names('b', 80), names('a', 80)]
  await serve(own, 'candidate')
  await serve(other, 'incumbent')
  const outcomes = [...own.map((name) => outcome(name, 1)), ...other.map((name) => outcome(name, 5))]
  await tell(outcomes)
  await tell(outcomes)
  await Promise.all([joinAll(), joinAll()])
  await tell(own.map((name) => outcome(name, 5)))
  await joinAll()
  const [row] = await strata()
  expect(row?.candidate.quality).toEqual({ human_csat: { n: 80, failed: 80, sum: 80, sumSquares: 80 } })
  expect(row?.incumbent.quality).toEqual({ human_csat: { n: 80, failed: 0, sum: 400, sumSquares: 2_000 } })
  expect(assess(inputOf(await strata(), { policy })).action).toBe('rollback')
})

it('survives later reports of its conversation and its sealing', async () => {
  const [name = ''] = names('b', 1)
  await serve([name], 'candidate')
  await tell([outcome(name, 2)])
  await joinAll()
  const stratum = { task, seq, slice: 0, arm: 'candidate' as const, composite: candidate }
  const report = unitReport({ unit: unitHash('acme', name), revision: 2, requests: 2, closed: true })
  await ground.store.telemetry.ingest(batchOf('process-1', stratum, [report]), 'app')
  await ground.store.database.collection('units').updateMany({ due: { $exists: true } }, { $set: { due: new Date(0) } })
  while ((await ground.store.telemetry.seal()) > 0);
  expect((await strata())[0]?.candidate).toMatchObject({
    requests: 2,
    closed: { cost_usd: { n: 1 } },
    quality: { human_csat: { n: 1, failed: 1 } },
  })
})

it('of a conversation whose report is still on its way is joined when that came', async () => {
  const [name = ''] = names('b', 1)
  await tell([outcome(name, 2)])
  await joinAll()
  await serve([name], 'candidate')
  expect(await ground.store.telemetry.join()).toBe(0)
  await ground.store.database
    .collection('lateOutcomes')
    .updateMany({ joinAt: { $exists: true } }, { $set: { joinAt: new Date(0) } })
  await joinAll()
  expect((await strata())[0]?.candidate.quality).toMatchObject({ human_csat: { n: 1, failed: 1 } })
})

it('counts nowhere where nobody was served, the task is another, or the metric is not watched', async () => {
  const [name = ''] = names('b', 1)
  await serve([name], 'candidate')
  const forged = [
    outcome('nobody', 1),
    outcome(name, 1, { task: 'other' }),
    outcome(name, 1, { metric: 'thumbs' }),
    outcome(name, 1, { tenant: 'globex' }),
  ]
  await tell(forged)
  await joinAll()
  expect((await strata())[0]?.candidate.quality).toBeUndefined()
  expect(await ground.store.telemetry.requests.outcomesOf('acme', name)).toHaveLength(2)
})

it('is kept for whatever it is told of under one id, and once for each', async () => {
  const [name = '', other = ''] = names('b', 2)
  const first = outcome(name, 4, { id: `survey-${releases}` })
  const told = [
    first,
    { ...first, metric: 'thumbs' },
    { ...first, conversation: other },
    { ...first, tenant: 'globex' },
    { ...first, task: 'other' },
  ]
  await tell(told)
  await tell(told)
  const { requests } = ground.store.telemetry
  const arrival = { receivedAt: new Date(), sources: [] }
  await requests.appendOutcomes('staging', [first], arrival)
  await requests.appendOutcomes('staging', [first], arrival)
  const kept = await Promise.all(
    [
      ['acme', name],
      ['acme', other],
      ['globex', name],
    ].map(([tenant = '', conversation = '']) => requests.outcomesOf(tenant, conversation)),
  )
  expect(kept.map((rows) => rows.length)).toEqual([4, 1, 1])
  expect(new Set(kept.flat().map(({ id }) => id))).toEqual(new Set([first.id]))
})

it('is joined and kept by the clock of the store, whatever that of the server says', async () => {
  const [name = ''] = names('b', 1)
  await serve([name], 'candidate')
  const doNotFake = ['nextTick', 'performance', 'hrtime', 'queueMicrotask', ...timers] as const
  jest.useFakeTimers({ now: Date.now() + 3_600_000, doNotFake: [...doNotFake] })
  try {
    const server = createTelemetry(ground.store.database, ground.store.providers)
    await server.ingest({ ...emptyBatch('process-1'), lateOutcomes: [outcome(name, 1)] }, 'app')
  } finally {
    jest.useRealTimers()
  }
  await joinAll()
  expect((await strata())[0]?.candidate.quality).toMatchObject({ human_csat: { n: 1, failed: 1 } })
})

it('is read also where an older version kept it, by its id alone', async () => {
  const [name = ''] = names('b', 1)
  const { id, ...rest } = outcome(name, 3)
  const row = { ...rest, environment, receivedAt: new Date() }
  await ground.store.database.collection<{ _id: string }>('lateOutcomes').insertOne({ _id: id, ...row })
  expect(await ground.store.telemetry.requests.outcomesOf('acme', name)).toEqual([{ id, ...rest }])
})

it('that one key of three forges pauses and names the key', async () => {
  for (const app of [1, 2, 3]) {
    await serve(names(`b${app}`, 60), 'candidate', `process-of-${app}-${releases}`, `app-${app}`)
    await serve(names(`a${app}`, 60), 'incumbent', `process-of-${app}-${releases}`, `app-${app}`)
    const outcomes = [
      ...names(`b${app}`, 60).map((name) => outcome(name, app === 3 ? 1 : 5)),
      ...names(`a${app}`, 60).map((name) => outcome(name, 5)),
    ]
    await tell(outcomes, `process-of-${app}-${releases}`, `app-${app}`)
  }
  await joinAll()
  const sources = await ground.store.telemetry.evidence.sources({
    environment,
    task,
    candidate,
    seqs: [seq],
    breakers: [],
  })
  const { action, verdicts } = assess(inputOf(await strata(), { policy, sources }))
  expect({ action, reason: verdicts[0]?.reason }).toEqual({ action: 'pause', reason: 'one_reporter' })
  expect(verdicts[0]?.text).toContain('not so without key app-3')
})

it('is told through the SDK and a server, which joins by itself', async () => {
  const server = await ground.serve()
  const sluice = await ground.connect(server.url)
  await served(sluice, seq)
  const conversations = names('sdk', 20).map((conversation) => ({
    tenant: 'acme',
    conversation,
    startedAt: Date.now(),
  }))
  for (const of of conversations) {
    const serving = sluice.resolve(task, of)
    if (!(serving instanceof Serving)) throw new Error(serving.skip)
    sluice.report(serving, { outcome: 'ok', latencyMs: 5, costUsd: 0.01 })
    expect(sluice.outcome(task, of, { metric: 'human_csat', value: 2 })).toBe(true)
  }
  const refusedBy = next(sluice, 'error')
  expect(sluice.outcome(task, { tenant: 'acme', conversation: 'x' }, { metric: 'human_csat', value: Number.NaN })).toBe(
    false,
  )
  await refusedBy
  await until('all values are joined', async () => {
    const [row] = await strata()
    return (row?.candidate.quality?.human_csat?.n ?? 0) + (row?.incumbent.quality?.human_csat?.n ?? 0) === 20
  })
})
