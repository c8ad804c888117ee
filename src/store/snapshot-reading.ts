import type { ClientSession } from 'mongodb'
import type { Allocation } from '../domain/allocation'
import type { TenantEntry } from '../domain/tenant'
import { SluiceError } from '../errors'
import type { PolicyDocument } from './capture-documents'
import type { Catalog } from './catalog'
import type { Database } from './database'

/** What a snapshot is built from. */
export interface SnapshotSource {
  readonly database: Database
  readonly catalog: Pick<Catalog, 'compositesByIds' | 'tasks'>
}

/** A snapshot holds no more rows of one sort. */
const maxEntries = 200_000

type Row<T> = T & { _id: string }

/** Rows by their ledger, each in seq order. */
export type Ledgers<T> = ReadonlyMap<string, readonly T[]>

/** Everything that an environment resolves by, as it was at one moment. */
export interface WholeReading {
  readonly lanes: Ledgers<Allocation>
  readonly tenants: Ledgers<TenantEntry>
  /** Rollbacks that left the horizon, by task. */
  readonly rollbacks: Ledgers<Allocation>
}

/** An entry is in it until one horizon after its successor's `at`, the newest always. */
export function readWhole(database: Database, environment: string, cutoff: number): Promise<WholeReading> {
  return database.transact(async (session) => ({
    lanes: await laneEntries(database, { environment, cutoff }, session),
    tenants: await tenantEntries(database, cutoff, session),
    rollbacks: await olderRollbacks(database, { environment, cutoff }, session),
  }))
}

/** The entries of these ids, by lane and by tenant; undefined: one of them is not there. */
export async function readEntries(
  database: Database,
  ids: { readonly allocations: readonly string[]; readonly tenantEntries: readonly string[] },
): Promise<Pick<WholeReading, 'lanes' | 'tenants'> | undefined> {
  const byId = <T extends { seq: number }>(name: string, wanted: readonly string[], session: ClientSession) =>
    wanted.length === 0
      ? Promise.resolve([])
      : database
          .collection<Row<T>>(name)
          .find({ _id: { $in: [...wanted] } } as never, { session })
          .toArray()
  if (ids.allocations.length + ids.tenantEntries.length === 0) return { lanes: new Map(), tenants: new Map() }
  const { lanes, tenants } = await database.transact(async (session) => ({
    lanes: await byId<Allocation>('allocations', ids.allocations, session),
    tenants: await byId<TenantEntry>('tenantEntries', ids.tenantEntries, session),
  }))
  if (lanes.length < ids.allocations.length || tenants.length < ids.tenantEntries.length) return undefined
  return { lanes: grouped(lanes, ({ task }) => task), tenants: grouped(tenants, ({ tenant }) => tenant) }
}

/** Which lanes want contents of requests. */
export function readCaptures(database: Database, environment: string): Promise<PolicyDocument[]> {
  const asked = database.collection<PolicyDocument>('capturePolicies').find({ environment, basisPoints: { $gt: 0 } })
  return asked.sort({ _id: 1 }).limit(maxEntries).toArray()
}

interface Range {
  readonly environment: string
  readonly cutoff: number
}

async function laneEntries(database: Database, { environment, cutoff }: Range, session: ClientSession) {
  const allocations = database.collection<Row<Allocation>>('allocations')
  const heads = await database
    .collection<{ _id: string; headSeq: number }>('lanes')
    .find({ environment }, { session, projection: { headSeq: 1 } })
    .limit(maxEntries)
    .toArray()
  const recent = await allocations
    .find({ environment, at: { $gt: cutoff } }, { session })
    .limit(maxEntries + 1)
    .toArray()
  assertBounded(recent.length)
  const known = new Set(recent.map(({ _id }) => _id))
  const older = olderIds(recent, (row) => `${row.environment}/${row.task}`)
  for (const { _id, headSeq } of heads)
    if (headSeq > 0 && !known.has(`${_id}/${headSeq}`)) older.add(`${_id}/${headSeq}`)
  const rest = await allocations.find({ _id: { $in: [...older] } }, { session }).toArray()
  return grouped([...recent, ...rest], (row) => row.task)
}

/** A pin may be older than any entry within the horizon, and what revoked its composite then still holds. */
async function olderRollbacks(database: Database, { environment, cutoff }: Range, session: ClientSession) {
  const rollbacks = await database
    .collection<Row<Allocation>>('allocations')
    .find({ environment, cause: 'rollback', at: { $lte: cutoff } }, { session })
    .limit(maxEntries + 1)
    .toArray()
  assertBounded(rollbacks.length)
  return grouped(rollbacks, (row) => row.task)
}

async function tenantEntries(database: Database, cutoff: number, session: ClientSession) {
  const journal = database.collection<Row<TenantEntry>>('tenantEntries')
  const recent = await journal
    .find({ at: { $gt: cutoff } }, { session })
    .limit(maxEntries + 1)
    .toArray()
  assertBounded(recent.length)
  const known = new Set(recent.map(({ tenant, seq }) => `${tenant}/${seq}`))
  const rest = await journal.find({ _id: { $in: [...olderIds(recent, (row) => row.tenant)] } }, { session }).toArray()
  const heads = await database
    .collection<Row<TenantEntry>>('tenants')
    .find({}, { session })
    .sort({ _id: 1 })
    .limit(maxEntries + 1)
    .toArray()
  assertBounded(heads.length)
  for (const { tenant, seq } of rest) known.add(`${tenant}/${seq}`)
  const standing = heads.filter(({ tenant, seq }) => !known.has(`${tenant}/${seq}`))
  return grouped([...recent, ...rest, ...standing], (row) => row.tenant)
}

function assertBounded(count: number): void {
  if (count > maxEntries) {
    throw new SluiceError('payload_too_large', `A snapshot would hold more than ${maxEntries} entries of one sort.`)
  }
}

/** Ids of the entries just before the recent ones: their successor is within the horizon, so they still count. */
function olderIds<T extends { seq: number }>(recent: readonly T[], ledgerOf: (row: T) => string): Set<string> {
  const first = new Map<string, number>()
  for (const row of recent) {
    const ledger = ledgerOf(row)
    first.set(ledger, Math.min(first.get(ledger) ?? row.seq, row.seq))
  }
  return new Set([...first].filter(([, seq]) => seq > 1).map(([ledger, seq]) => `${ledger}/${seq - 1}`))
}

function grouped<T extends { seq: number }>(rows: readonly T[], keyOf: (row: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const row of rows) {
    const group = groups.get(keyOf(row))
    if (group) group.push(row)
    else groups.set(keyOf(row), [row])
  }
  for (const group of groups.values()) group.sort((left, right) => left.seq - right.seq)
  return groups
}
