import type { Allocation } from '../../src/domain/allocation'
import { emptyLane, foldEntry, type LaneState } from '../../src/domain/lane'
import type { TenantEntry } from '../../src/domain/tenant'
import { chainHash } from '../../src/store/canonical'
import type { Store } from '../../src/store/store'
import { ageRequests } from './logged-requests'

type Row<T> = T & { _id: string }

/** Writes a lane, a tenant and the request log as if everything in them had been done `byMs` earlier; the chains hold. */
export async function ageLedgers(
  store: Store,
  of: { readonly environment: string; readonly task: string; readonly tenant: string; readonly byMs: number },
): Promise<void> {
  const { environment, task, tenant, byMs } = of
  const { database } = store
  const allocations = database.collection<Row<Allocation>>('allocations')
  const lanes = database.collection<Row<LaneState>>('lanes')
  const { hold, vetoes } = await store.ledger.lane(environment, task)
  let lane = emptyLane(environment, task)
  for (const row of await allocations.find({ environment, task }).sort({ seq: 1 }).toArray()) {
    const { _id, prev: _prev, hash: _hash, ...rest } = row
    const hashed = { ...rest, at: rest.at - byMs }
    const entry = { ...hashed, prev: lane.headHash, hash: chainHash(lane.headHash, hashed) }
    await allocations.replaceOne({ _id }, entry)
    lane = foldEntry(lane, entry)
  }
  await lanes.replaceOne({ _id: `${environment}/${task}` }, { ...lane, vetoes, ...(hold ? { hold } : {}) })
  const journal = database.collection<Row<TenantEntry>>('tenantEntries')
  let prev = ''
  for (const row of await journal.find({ tenant }).sort({ seq: 1 }).toArray()) {
    const { _id, prev: _prev, hash: _hash, ...rest } = row
    const hashed = { ...rest, at: rest.at - byMs }
    const entry = { ...hashed, prev, hash: chainHash(prev, hashed) }
    await journal.replaceOne({ _id }, entry)
    await database.collection<Row<TenantEntry>>('tenants').replaceOne({ _id: tenant }, entry)
    prev = entry.hash
  }
  const ago = { $subtract: ['$at', byMs] }
  await ageRequests(store, { environment, task, byMs })
  await database
    .collection('captureIndex')
    .updateMany({ environment, task }, [{ $set: { at: ago, expiresAt: { $subtract: ['$expiresAt', byMs] } } }])
}
