import fc from 'fast-check'
import { bucketOf } from '../../src/domain/bucket'
import type { StratumKey, TelemetryBatch, UnitReport } from '../../src/domain/telemetry'
import { contributionOf, sumContributions, type Totals, type UnitContribution } from '../../src/domain/telemetry-fold'
import type { Digest } from '../../src/domain/version'
import { createTelemetry, type Telemetry } from '../../src/store/telemetry'
import type { StratumDocument, UnitDocument } from '../../src/store/telemetry-documents'
import { runs } from '../support/effort'
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
let incumbent: Digest
let candidate: Digest
const times = { sealGraceMs: 0, idleMs: 600_000 }

beforeAll(async () => {
  ground = await trafficGround()
  incumbent = await ground.settle(0)
  candidate = await ground.composite(1)
  seq = (await ground.step({ incumbent: 0, candidate: 1 })).seq
})
afterAll(() => ground.end())
beforeEach(async () => {
  for (const name of ['units', 'strata', 'series', 'tenantUnits', 'requestBuckets', 'reporters']) {
    await ground.store.database.collection(name).deleteMany({})
  }
})

const telemetry = (): Telemetry => createTelemetry(ground.store.database, ground.store.providers, times)
const candidateKey = () => ({ task, seq, slice: 0, arm: 'candidate' as const, composite: candidate })
const incumbentKey = () => ({ task, seq, slice: 0, arm: 'incumbent' as const, composite: incumbent })

/** Totals from scratch, by adding up the units; and what the writers kept. */
async function bothTotals(): Promise<{ recounted: UnitContribution; kept: UnitContribution }> {
  let recounted: UnitContribution = { tested: {}, gap: {}, pictures: {} }
  let kept = recounted
  const { database } = ground.store
  for await (const unit of database.collection<UnitDocument>('units').find()) {
    recounted = sumContributions(recounted, contributionOf(unit.state))
  }
  for await (const row of database.collection<StratumDocument>('strata').find()) {
    kept = sumContributions(kept, { tested: row.tested ?? {}, gap: row.gap ?? {}, pictures: row.pictures ?? {} })
  }
  return { recounted, kept }
}

const rounded = (totals: Totals): Record<string, number> =>
  Object.fromEntries(
    Object.entries(totals)
      .map(([name, value]) => [name, Number(value.toFixed(9))] as const)
      .filter(([, value]) => value !== 0)
      .sort(),
  )

async function expectRecountFits(): Promise<UnitContribution> {
  const { recounted, kept } = await bothTotals()
  expect(rounded(kept.tested)).toEqual(rounded(recounted.tested))
  expect(rounded(kept.gap)).toEqual(rounded(recounted.gap))
  expect(rounded(kept.pictures)).toEqual(rounded(recounted.pictures))
  return kept
}

/** Three replicas that report on conversations hopping between them, each with growing revisions. */
const traffic = fc.array(
  fc.record({
    reporter: fc.constantFrom('replica-1', 'replica-2', 'replica-3'),
    conversation: fc.nat(5),
    failed: fc.boolean(),
    closed: fc.boolean(),
    gap: fc.oneof({ arbitrary: fc.constant(false), weight: 9 }, { arbitrary: fc.constant(true), weight: 1 }),
  }),
  { minLength: 1, maxLength: 30 },
)

function batchesOf(requests: typeof traffic extends fc.Arbitrary<infer R> ? R : never): TelemetryBatch[] {
  const records = new Map<string, UnitReport>()
  return requests.map(({ reporter, conversation, failed, closed, gap }) => {
    const name = `${reporter}/${conversation}`
    const before =
      records.get(name) ?? unitReport({ unit: unitName(conversation), revision: 0, requests: 0, costUsd: 0 })
    const report: UnitReport = {
      ...before,
      revision: before.revision + 1,
      requests: before.requests + 1,
      errors: before.errors + (failed ? 1 : 0),
      costUsd: before.costUsd + 0.013,
      events: failed || before.errors > 0 ? ['error'] : [],
      closed: before.closed || closed,
      gap: before.gap || gap,
    }
    records.set(name, report)
    return batchOf(reporter, conversation % 2 === 0 ? candidateKey() : incumbentKey(), [report])
  })
}

describe('telemetry of three replicas with hopping conversations', () => {
  it('counts each conversation once, whatever is repeated, reordered, late, merged or written by two servers', async () => {
    await fc.assert(
      fc.asyncProperty(traffic, fc.array(fc.nat(29), { maxLength: 10 }), fc.nat(), async (requests, again, seed) => {
        for (const name of ['units', 'strata', 'tenantUnits'])
          await ground.store.database.collection(name).deleteMany({})
        const servers = [telemetry(), telemetry()]
        const batches = batchesOf(requests)
        const repeated = [...batches, ...again.flatMap((index) => batches[index] ?? [])]
        const order = repeated.map((batch, index) => ({ batch, at: (index * 7_919 + seed) % 101 }))
        order.sort((left, right) => left.at - right.at)
        const sent = order.map(({ batch }, index) => servers[index % 2]?.ingest(batch, 'app'))
        const sealed = [servers[0]?.seal(), servers[1]?.seal()]
        await Promise.all([...sent, ...sealed])
        await servers[0]?.seal()
        const { tested, gap } = await expectRecountFits()
        const conversations = new Set(requests.map(({ conversation }) => conversation))
        expect((tested.units ?? 0) + (gap.units ?? 0)).toBe(conversations.size)
        expect((tested.requests ?? 0) + (gap.requests ?? 0)).toBe(requests.length)
        const failed = new Set(requests.filter((request) => request.failed).map(({ conversation }) => conversation))
        expect((tested.event_error ?? 0) + (gap.event_error ?? 0)).toBe(failed.size)
      }),
      { numRuns: runs(25), endOnFailure: true },
    )
  })

  it('merges many concurrent batches into few transactions', async () => {
    const server = telemetry()
    const reports = Array.from({ length: 200 }, (_, index) => index)
    await Promise.all(
      reports.map((index) =>
        server.ingest(batchOf('replica-1', candidateKey(), [unitReport({ unit: unitName(index) })]), 'app'),
      ),
    )
    const stamps = await ground.store.database.collection<UnitDocument>('units').distinct('touchedAt')
    expect(stamps.length).toBeLessThan(50)
    expect((await expectRecountFits()).tested.units).toBe(200)
  })
})

describe('sealing', () => {
  it('freezes closed conversations: what comes later counts in totals, not in moments', async () => {
    const server = telemetry()
    const first = unitReport({ unit: unitName(1), requests: 2, costUsd: 0.5, latencyMs: 300, closed: true })
    await server.ingest(batchOf('replica-1', candidateKey(), [first]), 'app')
    expect(await server.seal()).toBe(1)
    expect(await server.seal()).toBe(0)
    const later = {
      ...first,
      revision: 2,
      requests: 3,
      errors: 1,
      events: ['error' as const],
      costUsd: 9,
      latencyMs: 900,
    }
    await server.ingest(batchOf('replica-1', candidateKey(), [later]), 'app')
    const [stratum] = await server.read.strataOf({ environment, task, releaseId: 'release-1' })
    expect(stratum?.candidate.closed.cost_usd).toMatchObject({ n: 1, sum: 0.5, sumSquares: 0.25 })
    expect(stratum?.candidate.closed.latency_ms).toMatchObject({ n: 1, sum: 150 })
    expect(stratum?.candidate).toMatchObject({ units: 1, requests: 3, costUsd: 9, events: { error: 1 } })
    await expectRecountFits()
  })

  it('closes idle conversations by the store clock, and leaves open ones alone', async () => {
    const patient = telemetry()
    await patient.ingest(batchOf('replica-1', candidateKey(), [unitReport({ unit: unitName(1) })]), 'app')
    expect(await patient.seal()).toBe(0)
    const hasty = createTelemetry(ground.store.database, ground.store.providers, { sealGraceMs: 0, idleMs: 0 })
    await hasty.ingest(batchOf('replica-1', incumbentKey(), [unitReport({ unit: unitName(2) })]), 'app')
    expect(await hasty.seal()).toBe(1)
    const [stratum] = await hasty.read.strataOf({ environment, task, seqs: [seq] })
    expect([stratum?.candidate.closed.cost_usd.n, stratum?.incumbent.closed.cost_usd.n]).toEqual([0, 1])
  })

  it('takes a unit out of the tests when it turns out to have begun in a gap, sealed or not', async () => {
    const server = telemetry()
    const report = unitReport({ unit: unitName(1), closed: true })
    await server.ingest(batchOf('replica-1', candidateKey(), [report]), 'app')
    await server.seal()
    await server.ingest(batchOf('replica-2', candidateKey(), [{ ...report, gap: true }]), 'app')
    const { tested, gap } = await expectRecountFits()
    expect(rounded(tested)).toEqual({})
    expect(gap.units).toBe(1)
    const [stratum] = await server.read.strataOf({ environment, task, seqs: [seq] })
    expect(stratum?.candidate).toMatchObject({ units: 0, closed: { cost_usd: { n: 0 } } })
  })
})

describe('what was never issued', () => {
  const wrong: [string, () => Partial<StratumKey>][] = [
    ['an entry that does not exist', () => ({ seq: 99 })],
    ['a slice that does not exist', () => ({ slice: 7 })],
    ['another composite', () => ({ composite: incumbent })],
    ['an unknown composite without an arm', () => ({ arm: 'none', slice: -1, composite: `sha256:${'0'.repeat(64)}` })],
    ['another task', () => ({ task: 'unheard-of' })],
  ]
  it.each(wrong)('refuses %s and takes the rest', async (_, changes) => {
    const server = telemetry()
    const good = batchOf('replica-1', candidateKey(), [unitReport({ unit: unitName(1) })]).strata
    const bad = batchOf('replica-1', { ...candidateKey(), ...changes() }, [unitReport({ unit: unitName(2) })]).strata
    const answer = await server.ingest({ ...emptyBatch('replica-1'), strata: [...bad, ...good] }, 'app')
    expect(answer).toMatchObject({ units: 1, refused: [{ path: '/strata/0', code: 'invalid_telemetry' }] })
    expect((await bothTotals()).kept.tested.units).toBe(1)
  })

  it('refuses a reporter that belongs to another key', async () => {
    const server = telemetry()
    await server.ingest(emptyBatch('replica-1'), 'app')
    await expect(server.ingest(emptyBatch('replica-1'), 'other')).rejects.toMatchObject({ code: 'invalid_telemetry' })
  })
})

describe('what guardrails read', () => {
  it('gives windows, spend and totals of a composite whatever its share', async () => {
    const server = telemetry()
    const failed = {
      requests: 4,
      errors: 1,
      schemaFailures: 1,
      costUsd: 0.4,
      events: ['error', 'schema_failure'] as const,
    }
    const report = unitReport({ unit: unitName(1), ...failed })
    await server.ingest(batchOf('replica-1', candidateKey(), [report]), 'app')
    const lane = { environment, task, composite: candidate }
    expect(await server.read.window({ ...lane, windowMs: 60_000 })).toEqual({
      windowMs: 60_000,
      requests: 4,
      errors: 2,
      costUsd: 0.4,
    })
    expect((await server.read.window({ ...lane, windowMs: 60_000, events: ['error'] })).errors).toBe(1)
    expect(await server.read.spend({ composite: candidate, sinceMs: 3_600_000 })).toBeCloseTo(0.4, 12)
    expect(await server.read.spend({ composite: incumbent, sinceMs: 3_600_000 })).toBe(0)
    expect(await server.read.compositeTotals({ ...lane, releaseId: 'release-1' })).toMatchObject({
      requests: 4,
      costUsd: 0.4,
    })
    expect(await server.read.stepUnits({ environment, task, seqs: [seq] })).toEqual({ candidate: 1, incumbent: 0 })
  })

  it('sums windows to the second over the minutes that hold them, and what an older version kept by the second', async () => {
    const server = telemetry()
    const windowMs = 600_000
    const { database } = ground.store
    const from = (await database.now()) - windowMs
    const served = { requests: 1, errors: 1, costNano: 1e9 }
    // Ten seconds around the beginning of the window, whichever minutes these lie in, one long before and one within.
    for (const [index, at] of [from - 10_000, from + 10_000, from - 3_000_000, from + 300_000].entries()) {
      const minute = new Date(Math.floor(at / 60_000) * 60_000)
      const second = Math.floor((at % 60_000) / 1_000)
      const filter = { composite: candidate, environment, task, at: minute, shard: 0 }
      const $inc = Object.fromEntries(
        Object.entries(served).flatMap(([name, value]) => [
          [name, value],
          [`seconds.${second}.${name}`, value],
        ]),
      )
      await database.collection('series').updateOne(filter, { $inc }, { upsert: true })
      const bySecond = new Date(Math.floor(at / 1_000) * 1_000)
      const older = {
        composite: candidate,
        environment,
        task,
        at: bySecond,
        shard: index,
        schemaFailures: 0,
        ...served,
      }
      await database.collection('series').insertOne(older)
    }
    const lane = { environment, task, composite: candidate }
    expect(await server.read.window({ ...lane, windowMs, events: ['error'] })).toMatchObject({ requests: 4, errors: 4 })
    expect(await server.read.spend({ composite: candidate, sinceMs: windowMs + 20_000 })).toBe(6)
    const both = await server.read.series.sums({ ...lane, windowsMs: [windowMs, 60_000] })
    expect(both.map(({ requests }) => requests)).toEqual([4, 0])
  })

  it('tells percentiles of closed conversations by arm within the stated error, and judges without them', async () => {
    const server = telemetry()
    const latencies = Array.from({ length: 100 }, (_, index) => 10 * (index + 1))
    const reports = latencies.map((latencyMs, index) =>
      unitReport({
        unit: unitName(index),
        requests: 2,
        latencyMs: 2 * latencyMs,
        costUsd: latencyMs / 1e4,
        closed: true,
      }),
    )
    const open = unitReport({ unit: unitName(200), latencyMs: 1e6 })
    await server.ingest(batchOf('replica-1', candidateKey(), [...reports, open]), 'app')
    while ((await server.seal()) > 0);
    const { candidate: of, incumbent: none } = await server.read.percentilesOf({ environment, task, seqs: [seq] })
    expect(none).toEqual({})
    expect(of.latency_ms?.conversations).toBe(100)
    const told = [of.latency_ms?.p50, of.latency_ms?.p95, of.cost_usd?.p50, of.cost_usd?.p95]
    for (const [index, exact] of [500, 950, 0.05, 0.095].entries()) {
      expect(Math.abs((told[index] ?? 0) / exact - 1)).toBeLessThanOrEqual(0.02 + 1e-9)
    }
    const [stratum] = await server.read.strataOf({ environment, task, seqs: [seq] })
    expect(JSON.stringify(stratum)).not.toContain('pictures')
  })

  it('names reporters that do not serve by the newest entry yet', async () => {
    const server = telemetry()
    await server.ingest({ ...emptyBatch('replica-1'), appliedHeads: { [task]: seq } }, 'app')
    const late = [{ task, seq, lateMs: 1_200 }]
    await server.ingest({ ...emptyBatch('replica-2'), appliedHeads: { [task]: seq - 1 }, late }, 'app')
    const rows = await server.reporters.list(environment)
    expect(rows.map(({ reporter, behind }) => [reporter, behind]).sort()).toEqual([
      ['replica-1', []],
      ['replica-2', [{ task, applied: seq - 1, head: seq }]],
    ])
    expect(rows.find(({ reporter }) => reporter === 'replica-2')).toMatchObject({ active: true, late })
  })
})

describe('slices that are exposed by tenant', () => {
  it('counts each tenant once, and in a later step only tenants that no earlier step exposed', async () => {
    const server = telemetry()
    const by = (basisPoints: number) => [{ to: 'rest' as const, basisPoints, by: 'tenant' as const }]
    const first = await ground.step({ incumbent: 0, candidate: 1, releaseId: 'by-tenant', exposure: by(2_000) })
    const second = await ground.step({ incumbent: 0, candidate: 1, releaseId: 'by-tenant', exposure: by(6_000) })
    const repeat = await ground.step({ incumbent: 0, candidate: 1, releaseId: 'by-tenant', exposure: by(6_000) })
    const tenants = Array.from({ length: 60 }, (_, index) => `tenant-${index}`)
    for (const entry of [first, second, repeat]) {
      const share = entry.seq === first.seq ? 2_000 : 6_000
      for (const arm of ['candidate', 'incumbent'] as const) {
        const of = tenants.filter((tenant) => bucketOf('by-tenant', tenant) < share === (arm === 'candidate'))
        const key = { task, seq: entry.seq, slice: 0, arm, composite: arm === 'candidate' ? candidate : incumbent }
        const units = of.flatMap((tenant, index) =>
          [0, 1].map((part) =>
            unitReport({
              unit: unitName(entry.seq * 1_000 + (arm === 'candidate' ? 0 : 500) + index * 2 + part),
              tenant,
              closed: true,
              costUsd: 1 + part,
              ...(part === 0 ? { errors: 1, events: ['error' as const] } : {}),
            }),
          ),
        )
        await server.ingest(batchOf('replica-1', key, units), 'app')
      }
    }
    while ((await server.seal()) > 0);
    const strata = await server.read.strataOf({ environment, task, releaseId: 'by-tenant' })
    expect(strata.map(({ seq: of, share, by: unit }) => [of, share, unit])).toEqual([
      [first.seq, 0.2, 'tenant'],
      [second.seq, 0.5, 'tenant'],
    ])
    const fresh = tenants.filter((tenant) => bucketOf('by-tenant', tenant) >= 2_000)
    const exposed = fresh.filter((tenant) => bucketOf('by-tenant', tenant) < 6_000)
    expect(strata[1]?.candidate.units).toBe(exposed.length)
    expect(strata[1]?.incumbent.units).toBe(fresh.length - exposed.length)
    expect(strata[1]?.candidate).toMatchObject({ requests: 2 * exposed.length, events: { error: exposed.length } })
    expect(strata[1]?.candidate.closed.cost_usd.n).toBe(exposed.length)
    const units = await server.read.stepUnits({ environment, task, seqs: [repeat.seq] })
    expect(units.candidate + units.incumbent).toBe(tenants.length)
  })
})

describe('hot queries', () => {
  const id = 'x'
  const at = { $gte: new Date(0) }
  it.each([
    ['units', { due: { $lte: new Date() } }, { due: 1 }],
    ['units', { _id: { $in: [id] } }, undefined],
    ['strata', { environment, task, seq: { $in: [1, 2] }, slice: { $gte: 0 } }, undefined],
    ['strata', { environment, task, seq: { $in: [1, 2] }, slice: -1, arm: 'none', composite: id }, undefined],
    ['tenantUnits', { _id: { $in: [id] } }, undefined],
    ['series', { composite: id, environment, task, at }, undefined],
    ['series', { composite: id, at }, undefined],
    ['requestBuckets', { environment, task, composite: id }, { to: -1 }],
    ['requestBuckets', { environment, task }, { to: -1 }],
    ['requestBuckets', { conversations: id }, { from: 1 }],
    ['requestBuckets', { ids: id }, undefined],
    ['requestBuckets', {}, { receivedAt: 1 }],
    ['lateOutcomes', { tenant: id, conversation: id }, undefined],
    ['reporters', { environment }, { seenAt: -1 }],
    ['allocations', { environment, at: { $gt: 0 } }, undefined],
    ['allocations', { environment, task, seq: { $lt: 3 }, salt: id }, { seq: -1 }],
    ['allocations', { environment, task, releaseId: id }, undefined],
    ['tenantEntries', { at: { $gt: 0 } }, undefined],
    ['lanes', { environment }, undefined],
  ])('%s %j reads an index and sorts nothing in memory', async (collection, filter, sort) => {
    const cursor = ground.store.database.collection(collection).find(filter as never)
    const plan = JSON.stringify(await (sort ? cursor.sort(sort as never) : cursor).explain('queryPlanner'))
    const winning = plan.slice(plan.indexOf('winningPlan'), plan.indexOf('rejectedPlans'))
    expect(winning).not.toContain('COLLSCAN')
    expect(winning).toMatch(/IXSCAN|IDHACK/)
    expect(winning).not.toContain('"stage":"SORT"')
  })
})
