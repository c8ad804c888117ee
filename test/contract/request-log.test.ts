import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import type { RequestRecord } from '../../src/domain/telemetry'
import type { Digest } from '../../src/domain/version'
import { migrate } from '../../src/store/migrations'
import type { LoggedRequest, RequestBucket } from '../../src/store/request-buckets'
import { RequestLog } from '../../src/store/request-log'
import { createTelemetry, type Telemetry } from '../../src/store/telemetry'
import { runs } from '../support/effort'
import { emptyBatch, environment, type TrafficGround, task, trafficGround } from '../support/traffic'

let ground: TrafficGround
beforeAll(async () => {
  ground = await trafficGround()
})
afterAll(() => ground.end())
beforeEach(async () => {
  for (const name of ['requestBuckets', 'requests']) await ground.store.database.collection(name).deleteMany({})
})

const dayMs = 24 * 3_600_000
const log = (): RequestLog => new RequestLog(ground.store.database)
async function append(requests: readonly LoggedRequest[]): Promise<void> {
  for (const reporter of new Set(requests.map((row) => row.reporter))) {
    const own = requests.filter((row) => row.reporter === reporter)
    await log().append({ environment, reporter, requests: own, receivedAt: new Date(), keptMs: () => 180 * dayMs })
  }
}
const buckets = () => ground.store.database.collection<RequestBucket>('requestBuckets')
const digest = (number: number) => `sha256:${number.toString(16).padStart(64, '0')}` as const

const request = (changes: Partial<LoggedRequest>): LoggedRequest => ({
  ...{ requestId: randomUUID(), environment, reporter: 'replica-1', task, seq: 1, slice: 0, arm: 'candidate' },
  ...{ composite: digest(1), tenant: 'acme', conversation: 'c-1', reason: 'slice', binding: 'b1.1.0', outcome: 'ok' },
  ...{ at: Date.now(), latencyMs: 10, inputTokens: 1, cachedTokens: 0, outputTokens: 1, costUsd: 0.5 },
  ...{ uncachedCostUsd: 0.5, cacheAgeMs: 0, headSeq: 1, tenantSeq: 0, stale: false },
  ...changes,
})

async function all(): Promise<LoggedRequest[]> {
  const found: LoggedRequest[] = []
  for await (const row of log().all()) found.push(row)
  return found.sort(byId)
}
const byId = (left: LoggedRequest, right: LoggedRequest): number => (left.requestId < right.requestId ? -1 : 1)

describe('the request log', () => {
  const start = Date.UTC(2026, 2, 1)
  /** Few ids, conversations and composites, over three days: most batches overlap with others. */
  const requests = fc.record({
    number: fc.nat(40),
    hours: fc.nat(71),
    composite: fc.nat(2),
    conversation: fc.nat(3),
    reporter: fc.constantFrom('replica-1', 'replica-2'),
  })
  type Drawn = typeof requests extends fc.Arbitrary<infer Row> ? Row : never
  const rowOf = ({ number, hours, composite, conversation, reporter }: Drawn) =>
    request({
      ...{ requestId: `r-${number}`, at: start + hours * 3_600_000 + number, reporter },
      ...{ composite: digest(composite), conversation: `c-${conversation}` },
    })

  it('holds each request once, whatever is repeated, reordered, overlapping or written at the same time', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(requests, { maxLength: 12 }), { maxLength: 8 }), async (given) => {
        await buckets().deleteMany({})
        // What one id says is the same in every delivery, as it is when an application sends again.
        const known = new Map<string, LoggedRequest>()
        const batches = given.map((batch) =>
          batch.map((row) => {
            const fresh = rowOf(row)
            const first = known.get(fresh.requestId) ?? fresh
            known.set(first.requestId, first)
            return first
          }),
        )
        await Promise.all([...batches, ...batches.toReversed()].map((batch) => append(batch)))
        const expected = [...known.values()].sort(byId)
        expect(await all()).toEqual(expected)
        for (const row of expected) expect(await log().find(row.requestId)).toEqual(row)
        const inTime = expected.toSorted((left, right) => left.at - right.at)
        const ofConversation = inTime.filter(({ conversation }) => conversation === 'c-1')
        expect(await log().ofConversation('acme', 'c-1')).toEqual(ofConversation)
        const newest = inTime.toReversed()
        expect(await log().newest({ environment, task }, 7)).toEqual(newest.slice(0, 7))
        const ofOne = newest.filter(({ composite }) => composite === digest(1))
        expect(await log().newest({ environment, task, composite: digest(1) }, 5)).toEqual(ofOne.slice(0, 5))
        const composites = new Set(expected.map(({ composite }) => composite))
        expect(new Set(await log().composites(environment, task))).toEqual(composites)
      }),
      { numRuns: runs(15), endOnFailure: true },
    )
  })

  it('keeps the first of two different requests of one id, within a batch and over batches', async () => {
    const first = request({ requestId: 'r-1', tenant: 'acme' })
    const second = { ...first, tenant: 'mallory' }
    await append([first, second])
    await append([second])
    expect(await all()).toEqual([first])
  })

  it('tells conversations apart whose ids are the same when joined', async () => {
    await append([request({ requestId: 'r-1', tenant: 'a', conversation: 'b\0c' })])
    await append([request({ requestId: 'r-2', tenant: 'a\0b', conversation: 'c' })])
    expect((await log().ofConversation('a\0b', 'c')).map(({ requestId }) => requestId)).toEqual(['r-2'])
  })

  it('knows where a conversation began in a task, however often another task was asked before', async () => {
    const before = Array.from({ length: 1_001 }, (_, index) => request({ task: 'summary', at: start + index }))
    const later = request({ at: start + 3_000, seq: 3 })
    await append([...before, later])
    await append([request({ at: start + 2_000, seq: 2 }), request({ at: start, seq: 9, conversation: 'c-2' })])
    const { tenant, conversation } = later
    expect(await log().firstStratum(environment, { task, tenant, conversation })).toMatchObject({ task, seq: 2 })
    expect(await log().firstStratum('staging', { task, tenant, conversation })).toBeUndefined()
  })

  it('takes a batch as large as one may be, of rows as long as they may be', async () => {
    const long = '\u0001'.repeat(256)
    const names = { task: long, tenant: long, model: long.slice(0, 200), fingerprint: long.slice(0, 200) }
    const rows = Array.from({ length: 1_200 }, (_, number) =>
      request({
        ...names,
        requestId: `${long.slice(0, 250)}${number}`,
        conversation: `${long.slice(0, 250)}${number}`,
      }),
    )
    await append(rows)
    expect(await all()).toEqual(rows.toSorted(byId))
  })
})

describe('how long requests are kept', () => {
  const server = (): Telemetry => createTelemetry(ground.store.database, ground.store.providers)
  const expiries = async () =>
    (await buckets().find().sort({ to: 1 }).toArray()).map(({ to, expiresAt }) => (expiresAt.getTime() - to) / dayMs)

  let incumbent: Digest
  let row: RequestRecord
  beforeAll(async () => {
    incumbent = await ground.settle(0)
    const candidate = await ground.composite(1)
    const { seq } = await ground.step({ incumbent: 0, candidate: 1 })
    const { environment: _e, reporter: _r, ...rest } = request({ seq, composite: candidate, arm: 'candidate' })
    row = rest
  })

  it('is counted from its arrival where the clock of the application would have let it expire before', async () => {
    await server().ingest({ ...emptyBatch('replica-1'), requests: [{ ...row, at: 1 }] }, 'app')
    const kept = (await buckets().find().toArray()).map(
      ({ receivedAt, expiresAt }) => (expiresAt.getTime() - receivedAt.getTime()) / dayMs,
    )
    expect(kept).toEqual([180])
  })

  it('is 180 days from each request by itself, and what the policy of the task says where it says it', async () => {
    const old = { ...row, requestId: 'r-old', at: row.at - 3 * dayMs }
    await server().ingest({ ...emptyBatch('replica-1'), requests: [old, row] }, 'app')
    expect(await expiries()).toEqual([180, 180])
    const { catalog } = ground.store
    const about = { semver: '1.0.0', author: 'test', description: 'retention' }
    const content = { environments: [environment], requestLogDays: 30 }
    const { version: policy } = await catalog.register({ ...about, kind: 'policy', name: 'short', content })
    await ground.store.database
      .collection<{ _id: string }>('tasks')
      .insertOne({ _id: task, policyDigest: policy.digest } as never)
    await buckets().deleteMany({})
    await server().ingest(
      { ...emptyBatch('replica-1'), requests: [{ ...row, composite: incumbent, arm: 'incumbent' }] },
      'app',
    )
    expect(await expiries()).toEqual([30])
  })
})

describe('rows that an older version stored one by one', () => {
  it('are moved into buckets once, however often and wherever that is cut off', async () => {
    const rows = Array.from({ length: 2_500 }, (_, number) => request({ requestId: `r-${number}` }))
    const old = ground.store.database.collection<{ _id: string }>('requests')
    const receivedAt = new Date(Date.now() - dayMs)
    await old.insertMany(rows.map(({ requestId, ...row }) => ({ _id: requestId, ...row, receivedAt })))
    // As after a run that was cut off between its write and its delete.
    await append(rows.slice(0, 700))
    await Promise.all([migrate(ground.store.database), migrate(ground.store.database)])
    expect(await all()).toEqual(rows.toSorted(byId))
    expect(await old.countDocuments()).toBe(0)
    expect(await log().oldestReceivedAt()).toBe(receivedAt.getTime())
  })
})
