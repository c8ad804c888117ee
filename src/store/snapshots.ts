import type { ClientSession } from 'mongodb'
import type { Allocation } from '../domain/allocation'
import type { ServedComposite } from '../domain/composite'
import type { ShadowView } from '../domain/shadow'
import { horizonMs, type LaneEntry, type LaneView, type Snapshot, type TenantView } from '../domain/snapshot'
import type { LanePin, TenantEntry } from '../domain/tenant'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import { digestOf } from './canonical'
import type { PolicyDocument } from './capture-documents'
import type { Catalog } from './catalog'
import type { CollectionSpec, Database } from './database'
import type { ShadowDocument } from './shadows'

/** What a snapshot is built from. */
export interface SnapshotSource {
  readonly database: Database
  readonly catalog: Pick<Catalog, 'compositesByIds' | 'tasks'>
}

/** How long before a forward entry counts that applications have it; they poll at least this often. */
export const defaultLeadMs = 2_000

/** The collections whose change can change a snapshot. */
export const snapshotCollections = ['allocations', 'tenantEntries', 'tasks', 'capturePolicies', 'shadows'] as const

/** An entry leaves the snapshot by time alone, so the newest entries are found by time. */
export const snapshotIndexes: readonly CollectionSpec[] = [
  { name: 'allocations', indexes: [{ key: { environment: 1, at: 1 } }, { key: { environment: 1, cause: 1, at: 1 } }] },
]

const maxEntries = 200_000
const compositePage = 200
const maxCachedComposites = 2_000

type Row<T> = T & { _id: string }

/** Builds snapshots; keeps the composites it read, which never change. */
export class SnapshotBuilder {
  private readonly composites = new Map<Digest, ServedComposite>()
  private readonly source: SnapshotSource

  constructor(source: SnapshotSource) {
    this.source = source
  }

  /**
   * Everything the environment resolves by, read at one moment. An entry is in it until one horizon after its
   * successor's `at`, the newest always. `now` is ms since the epoch by the store's clock.
   */
  async build(environment: string, now: number): Promise<Snapshot> {
    const cutoff = now - horizonMs
    const tasks = await this.source.catalog.tasks()
    const { lanes, tenants, rollbacks, captures, shadows } = await this.source.database.transact(async (session) => ({
      lanes: await this.laneEntries(environment, cutoff, session),
      tenants: await this.tenantEntries(cutoff, session),
      rollbacks: await this.olderRollbacks(environment, cutoff, session),
      captures: await this.captures(environment, session),
      shadows: await this.shadows(environment, session),
    }))
    const views: Record<string, LaneView> = {}
    for (const { name, supersedes } of tasks) {
      views[name] = { task: name, entries: [], ...(supersedes === undefined ? {} : { supersedes }) }
    }
    for (const [task, entries] of lanes) views[task] = { ...(views[task] ?? { task }), entries: entries.map(laneEntry) }
    for (const { task, basisPoints } of captures) {
      const view = views[task]
      if (view !== undefined) views[task] = { ...view, capture: { basisPoints } }
    }
    for (const shadow of shadows) {
      const view = views[shadow.task]
      if (view !== undefined) views[shadow.task] = { ...view, shadow: shadowView(shadow) }
    }
    const tenantViews = Object.fromEntries([...tenants].map(([id, entries]) => [id, entries.map(tenantView)]))
    for (const [task, rows] of rollbacks) {
      const view = views[task] ?? { task, entries: [] }
      const olderRevocations = revocationsOfPins(view, pinsOf(environment, task, tenantViews), rows)
      if (olderRevocations.length > 0) views[task] = { ...view, olderRevocations }
    }
    const content = {
      specVersion: 1 as const,
      environment,
      leadMs: defaultLeadMs,
      lanes: sortedByKey(views),
      tenants: sortedByKey(tenantViews),
      composites: await this.served(namedComposites(environment, views, tenantViews)),
    }
    return { ...content, version: digestOf(content) }
  }

  private async laneEntries(environment: string, cutoff: number, session: ClientSession) {
    const { database } = this.source
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
  private async olderRollbacks(environment: string, cutoff: number, session: ClientSession) {
    const rollbacks = await this.source.database
      .collection<Row<Allocation>>('allocations')
      .find({ environment, cause: 'rollback', at: { $lte: cutoff } }, { session })
      .limit(maxEntries + 1)
      .toArray()
    assertBounded(rollbacks.length)
    return grouped(rollbacks, (row) => row.task)
  }

  private captures(environment: string, session: ClientSession): Promise<PolicyDocument[]> {
    const asked = this.source.database
      .collection<PolicyDocument>('capturePolicies')
      .find({ environment, basisPoints: { $gt: 0 } }, { session })
    return asked.sort({ _id: 1 }).limit(maxEntries).toArray()
  }

  private shadows(environment: string, session: ClientSession): Promise<ShadowDocument[]> {
    const open = this.source.database.collection<ShadowDocument>('shadows').find({ environment }, { session })
    return open.sort({ _id: 1 }).limit(maxEntries).toArray()
  }

  private async tenantEntries(cutoff: number, session: ClientSession) {
    const { database } = this.source
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

  private async served(ids: ReadonlySet<Digest>): Promise<Record<Digest, ServedComposite>> {
    const missing = [...ids].filter((id) => !this.composites.has(id))
    for (let from = 0; from < missing.length; from += compositePage) {
      const page = missing.slice(from, from + compositePage)
      for (const composite of await this.source.catalog.compositesByIds(page)) {
        this.composites.set(composite.id, composite)
      }
    }
    const served: Record<Digest, ServedComposite> = {}
    for (const id of [...ids].sort()) {
      const composite = this.composites.get(id)
      if (composite) served[id] = composite
    }
    for (const id of this.composites.keys()) {
      if (this.composites.size <= maxCachedComposites) break
      if (!ids.has(id)) this.composites.delete(id)
    }
    return served
  }
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

function laneEntry(row: Allocation): LaneEntry {
  const { seq, at, incumbent, candidate, exposure, salt, revokes, disabled, thresholds, outputs, releaseId } = row
  return {
    seq,
    at,
    exposure,
    salt,
    ...(incumbent === undefined ? {} : { incumbent }),
    ...(candidate === undefined ? {} : { candidate }),
    ...(revokes === undefined ? {} : { revokes }),
    ...(disabled === undefined ? {} : { disabled }),
    ...(thresholds === undefined ? {} : { thresholds }),
    ...(outputs === undefined ? {} : { outputs }),
    ...(releaseId === undefined ? {} : { releaseId }),
  }
}

function shadowView({ releaseId, candidate, incumbent, basisPoints, until, outputs }: ShadowDocument): ShadowView {
  return { releaseId, candidate, incumbent, basisPoints, until, ...(outputs === undefined ? {} : { outputs }) }
}

type TenantViews = Readonly<Record<string, readonly TenantView[]>>

function pinsOf(environment: string, task: string, tenants: TenantViews): readonly LanePin[] {
  return Object.values(tenants).flatMap((entries) =>
    entries.flatMap(({ state }) => {
      const { override, optOut } = state.tasks[task] ?? {}
      return [override?.pins[environment], optOut?.[environment]].filter((pin) => pin !== undefined)
    }),
  )
}

/** Of the rollbacks that left the view, in seq order, those that a pin can still be moved by. */
function revocationsOfPins(
  view: LaneView,
  pins: readonly LanePin[],
  rollbacks: readonly Allocation[],
): NonNullable<LaneView['olderRevocations']> {
  const first = view.entries[0]?.seq ?? 1
  const reachable = new Set(pins.map(({ composite }) => composite))
  return rollbacks.flatMap(({ seq, incumbent, revokes = [] }) => {
    if (seq >= first || !revokes.some((composite) => reachable.has(composite))) return []
    if (incumbent !== undefined) reachable.add(incumbent)
    return [{ seq, revokes, ...(incumbent === undefined ? {} : { incumbent }) }]
  })
}

const tenantView = ({ seq, at, state }: TenantEntry): TenantView => ({
  seq,
  at,
  state: { ring: state.ring, tasks: state.tasks },
})

/** Every composite that an entry or a pin of this environment can resolve to. */
function namedComposites(
  environment: string,
  lanes: Readonly<Record<string, LaneView>>,
  tenants: TenantViews,
): Set<Digest> {
  const ids = new Set<Digest>()
  const add = (id: Digest | undefined) => id !== undefined && ids.add(id)
  for (const { entries, olderRevocations = [], shadow } of Object.values(lanes)) {
    add(shadow?.candidate)
    for (const { incumbent, candidate } of entries) {
      add(incumbent)
      add(candidate)
    }
    for (const { incumbent } of olderRevocations) add(incumbent)
  }
  for (const { state } of Object.values(tenants).flat()) {
    for (const { optOut, override } of Object.values(state.tasks)) {
      add(optOut?.[environment]?.composite)
      add(override?.pins[environment]?.composite)
    }
  }
  return ids
}

/** Object keys in one order, so that equal content is equal text. */
const sortedByKey = <T>(rows: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(Object.entries(rows).sort(([left], [right]) => (left < right ? -1 : 1)))
