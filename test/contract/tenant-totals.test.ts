import fc from 'fast-check'
import { bucketOf } from '../../src/domain/bucket'
import type { UnitReport } from '../../src/domain/telemetry'
import { sumTotals, type Totals } from '../../src/domain/telemetry-fold'
import type { Digest } from '../../src/domain/version'
import { migrate } from '../../src/store/migrations'
import { createTelemetry, type Telemetry } from '../../src/store/telemetry'
import type { StratumDocument, TenantUnitDocument, UnitDocument } from '../../src/store/telemetry-documents'
import { runs } from '../support/effort'
import { batchOf, environment, type TrafficGround, task, trafficGround, unitName, unitReport } from '../support/traffic'

const releaseId = 'by-tenant'
const earlierShare = 2_000
const share = 6_000

let ground: TrafficGround
let seq: number
/** The step again, after a disable and an enable. */
let enabledSeq: number
let composites: { readonly candidate: Digest; readonly incumbent: Digest }

beforeAll(async () => {
  ground = await trafficGround()
  const exposure = (basisPoints: number) => [{ to: 'rest' as const, basisPoints, by: 'tenant' as const }]
  composites = { incumbent: await ground.settle(0), candidate: await ground.composite(1) }
  await ground.step({ incumbent: 0, candidate: 1, releaseId, exposure: exposure(earlierShare) })
  seq = (await ground.step({ incumbent: 0, candidate: 1, releaseId, exposure: exposure(share) })).seq
  const flag = async (disabled: boolean) => {
    const order = { environment, task, key: `flag/${disabled}`, by: 'ann', reason: 'for a test', disabled }
    return (await ground.ledger.setDisabled(order)).entry.seq
  }
  await flag(true)
  enabledSeq = await flag(false)
})
afterAll(() => ground.end())
beforeEach(empty)

const names = ['units', 'strata', 'tenantUnits', 'migrations'] as const
async function empty(): Promise<void> {
  for (const name of names) await ground.store.database.collection(name).deleteMany({})
}

const telemetry = (): Telemetry =>
  createTelemetry(ground.store.database, ground.store.providers, { sealGraceMs: 0, idleMs: 600_000 })
const armOf = (tenant: string) => (bucketOf(releaseId, tenant) < share ? 'candidate' : 'incumbent')
const batchFor = (reporter: string, report: UnitReport) => {
  const arm = armOf(report.tenant)
  return batchOf(reporter, { task, seq: seqOf(report), slice: 0, arm, composite: composites[arm] }, [report])
}
/** A conversation is bound to one entry; those of a tenant to either. */
const seqOf = ({ unit }: UnitReport): number => (Number.parseInt(unit, 16) % 2 === 0 ? seq : enabledSeq)

/** Conversations of a few tenants, some of whom an earlier step exposed, as two replicas tell of them. */
const traffic = fc.array(
  fc.record({
    reporter: fc.constantFrom('replica-1', 'replica-2'),
    tenant: fc.nat(7),
    conversation: fc.nat(1),
    failed: fc.boolean(),
    closed: fc.boolean(),
    gap: fc.oneof({ arbitrary: fc.constant(false), weight: 9 }, { arbitrary: fc.constant(true), weight: 1 }),
  }),
  { minLength: 1, maxLength: 30 },
)
type Told = typeof traffic extends fc.Arbitrary<infer R> ? R : never

function reportsOf(requests: Told): { readonly reporter: string; readonly report: UnitReport }[] {
  const records = new Map<string, UnitReport>()
  return requests.map(({ reporter, tenant, conversation, failed, closed, gap }) => {
    const name = `${reporter}/${tenant}/${conversation}`
    const fresh = {
      unit: unitName(tenant * 10 + conversation),
      tenant: `tenant-${tenant}`,
      revision: 0,
      requests: 0,
      costUsd: 0,
    }
    const before = records.get(name) ?? unitReport(fresh)
    const report: UnitReport = {
      ...before,
      revision: before.revision + 1,
      requests: before.requests + 1,
      errors: before.errors + (failed ? 1 : 0),
      costUsd: before.costUsd + 0.25,
      events: failed || before.errors > 0 ? ['error'] : [],
      closed: before.closed || closed,
      gap: before.gap || gap,
    }
    records.set(name, report)
    return { reporter, report }
  })
}

/** What a reader would find by going through every tenant and every conversation. */
async function recounted(arm: 'candidate' | 'incumbent') {
  const { database } = ground.store
  const units = await database.collection<UnitDocument>('units').find({ arm }).toArray()
  const rows = await database.collection<TenantUnitDocument>('tenantUnits').find({ arm }).toArray()
  const ofTenant = (tenant: string) => units.filter(({ state }) => state.tenant === tenant)
  const tenants = [...new Set(units.map(({ state }) => state.tenant))]
  const clean = tenants.filter((tenant) => ofTenant(tenant).every(({ state }) => !state.gap))
  const fresh = clean.filter((tenant) => bucketOf(releaseId, tenant) >= earlierShare)
  const conversations = fresh.flatMap(ofTenant)
  const firsts = rows.filter(({ tenant, first }) => fresh.includes(tenant) && first !== undefined)
  return {
    tenantUnits: clean.length,
    units: fresh.length,
    requests: conversations.reduce(
      (sum, { state }) =>
        sum +
        Object.values(state.parts).reduce(
          (all, { finished, current }) => all + finished.requests + current.requests,
          0,
        ),
      0,
    ),
    failed: fresh.filter((tenant) => ofTenant(tenant).some(({ state }) => state.events.includes('error'))).length,
    sealed: firsts.length,
    sum: firsts.reduce((sum, { first }) => sum + (first?.cost_usd ?? 0), 0),
  }
}

async function kept(arm: 'candidate' | 'incumbent') {
  let [tenants, tenantUnits]: [Totals, number] = [{}, 0]
  for await (const row of ground.store.database.collection<StratumDocument>('strata').find({ arm })) {
    tenants = sumTotals(tenants, row.tenants ?? {})
    tenantUnits += row.tenantUnits ?? 0
  }
  const of = (name: keyof Totals) => tenants[name] ?? 0
  return {
    ...{ tenantUnits, units: of('units'), requests: of('requests'), failed: of('event_error') },
    ...{ sealed: of('closed_cost_usd_n'), sum: of('closed_cost_usd_sum') },
  }
}

async function expectFits(): Promise<void> {
  for (const arm of ['candidate', 'incumbent'] as const) expect(await kept(arm)).toEqual(await recounted(arm))
}

describe('totals with the tenant as unit', () => {
  it('are what a recount gives, whatever is repeated, reordered, late, sealed or written by two servers', async () => {
    await fc.assert(
      fc.asyncProperty(traffic, fc.array(fc.nat(29), { maxLength: 10 }), fc.nat(), async (requests, again, seed) => {
        await empty()
        const servers = [telemetry(), telemetry()]
        const reports = reportsOf(requests)
        const repeated = [...reports, ...again.flatMap((index) => reports[index] ?? [])]
        const order = repeated.map((told, index) => ({ ...told, at: (index * 7_919 + seed) % 101 }))
        order.sort((left, right) => left.at - right.at)
        const half = Math.ceil(order.length / 2)
        for (const part of [order.slice(0, half), order.slice(half)]) {
          const sent = part.map(({ reporter, report }, index) =>
            servers[index % 2]?.ingest(batchFor(reporter, report), 'app'),
          )
          await Promise.all([...sent, servers[0]?.seal(), servers[1]?.seal()])
        }
        await servers[0]?.seal()
        await expectFits()
        const told = await servers[0]?.read.stepUnits({ environment, task, seqs: [seq, enabledSeq] })
        const [candidate, incumbent] = [await recounted('candidate'), await recounted('incumbent')]
        expect(told).toEqual({ candidate: candidate.tenantUnits, incumbent: incumbent.tenantUnits })
        const strata = (await servers[0]?.read.strataOf({ environment, task, seqs: [seq, enabledSeq] })) ?? []
        expect(strata.map((row) => [row.share, row.candidate.units, row.incumbent.units])).toEqual([
          [0.5, candidate.units, incumbent.units],
        ])
      }),
      { numRuns: runs(20), endOnFailure: true },
    )
  })

  it('take in once what an older version left uncounted, at the start or when a tenant is told of again', async () => {
    const server = telemetry()
    const tenants = Array.from({ length: 450 }, (_, index) => `tenant-${index}`)
    const reports = tenants.map((tenant, index) => unitReport({ unit: unitName(index), tenant, closed: true }))
    for (const arm of ['candidate', 'incumbent'] as const) {
      const own = reports.filter(({ tenant }) => armOf(tenant) === arm)
      await server.ingest(batchOf('replica-1', { task, seq, slice: 0, arm, composite: composites[arm] }, own), 'app')
    }
    while ((await server.seal()) > 0);
    const before = [await kept('candidate'), await kept('incumbent')]
    const { database } = ground.store
    await database.collection('strata').updateMany({}, { $unset: { tenants: 1, tenantUnits: 1 } })
    await database.collection('tenantUnits').updateMany({}, { $unset: { counted: 1, fresh: 1 } })
    const [first] = reports as [UnitReport]
    await Promise.all([migrate(database), migrate(database)])
    await server.ingest(batchFor('replica-1', { ...first, revision: 2 }), 'app')
    await migrate(database)
    expect([await kept('candidate'), await kept('incumbent')]).toEqual(before)
    await expectFits()
  })
})
