import type { Document } from 'mongodb'
import type { Allocation } from '../domain/allocation'
import type { Database } from './database'
import type { LoggedRequest } from './request-buckets'
import { defaultRequestDays, RequestLog } from './request-log'
import { incremented, keyOf, type StratumDocument, stratumId, type TenantUnitDocument } from './telemetry-documents'
import { tenantContribution } from './tenant-changes'
import { TenantShares } from './tenant-shares'

/** A row of the request log as it was kept before rows came in buckets. */
type RequestDocument = Omit<LoggedRequest, 'requestId'> & { _id: string; receivedAt: Date }

const page = 1_000
const tenantPage = 200
const tenantTotals = 'tenant-totals'
const keptMs = defaultRequestDays * 24 * 3_600_000

/**
 * Brings what older versions stored into the shape that this one reads. Safe to be cut off, and to run in several
 * processes at once. Costs one look where there is nothing to do.
 */
export async function migrate(database: Database): Promise<void> {
  await moveRequests(database)
  const done = database.collection<{ _id: string; at: Date }>('migrations')
  if ((await done.findOne({ _id: tenantTotals })) !== null) return
  await countTenants(database)
  await done.updateOne({ _id: tenantTotals }, { $setOnInsert: { at: new Date() } }, { upsert: true })
}

/** Written before they are deleted, and written once by id: cut off in between, the next run moves them again. */
async function moveRequests(database: Database): Promise<void> {
  const rows = database.collection<RequestDocument>('requests')
  const log = new RequestLog(database)
  // Each page deletes what it read, so it ends with the collection.
  for (;;) {
    const found = await rows.find().limit(page).toArray()
    if (found.length === 0) return
    const deliveries = new Map<string, LoggedRequest[]>()
    for (const { _id, receivedAt: _r, ...row } of found) {
      const id = `${row.environment}/${row.reporter}`
      deliveries.set(id, [...(deliveries.get(id) ?? []), { requestId: _id, ...row }])
    }
    const receivedAt = new Date(Math.min(...found.map((row) => row.receivedAt.getTime())))
    for (const requests of deliveries.values()) {
      const [{ environment, reporter }] = requests as [LoggedRequest]
      await log.append({ environment, reporter, requests, receivedAt, keptMs: () => keptMs })
    }
    await rows.deleteMany({ _id: { $in: found.map(({ _id }) => _id) } })
  }
}

/** Puts into the totals of their strata what tenants add, which older versions left to whoever reads. */
async function countTenants(database: Database): Promise<void> {
  const shares = new TenantShares(database)
  const rows = database.collection<TenantUnitDocument>('tenantUnits')
  const allocations = database.collection<Allocation & { _id: string }>('allocations')
  // Each page is marked as counted with the totals it goes into, so that it ends with the tenants that are not.
  for (;;) {
    const counted = await database.transact(async (session) => {
      const found = await rows
        .find({ counted: { $exists: false } }, { session })
        .limit(tenantPage)
        .toArray()
      for (const row of found) {
        const { environment, task, seq, slice } = row
        const entry = await allocations.findOne({ _id: `${environment}/${task}/${seq}` }, { session })
        const fresh = entry !== null && row.bucket >= ((await shares.drawOf(entry, slice))?.earlier ?? 0)
        const { tenants, tenantUnits } = tenantContribution({ ...row, fresh })
        await rows.updateOne({ _id: row._id }, { $set: { fresh, counted: true } }, { session })
        const $inc = { ...incremented('tenants', tenants), tenantUnits }
        const update = { $setOnInsert: { ...keyOf(row), shard: 0 }, $inc } as Document
        const strata = database.collection<StratumDocument>('strata')
        await strata.updateOne({ _id: `${stratumId(row)}/0` }, update, { session, upsert: true })
      }
      return found.length
    })
    if (counted === 0) return
  }
}
