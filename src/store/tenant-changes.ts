import type { ClientSession } from 'mongodb'
import { bucketOf } from '../domain/bucket'
import { closedValueNames, type EventName, eventNames, type StratumKey } from '../domain/telemetry'
import {
  minusTotals,
  momentsOf,
  sumTotals,
  type Totals,
  type UnitContribution,
  type UnitState,
} from '../domain/telemetry-fold'
import type { Database } from './database'
import { keyOf, type StratumDocument, type TenantUnitDocument, tenantUnitId } from './telemetry-documents'

/** How tenants are drawn in a slice that is exposed by tenant. */
export interface TenantDraw {
  readonly salt: string
  /** The entry that drew them: the step itself, where a disable or enable repeats it. */
  readonly seq: number
  /** Basis points: tenants below were exposed by an earlier step. */
  readonly earlier: number
}

/** What tenants add to the totals of one stratum. */
export type TenantTotals = Required<Pick<StratumDocument, 'tenants' | 'tenantUnits'>>

export interface TenantDelta extends TenantTotals {
  readonly key: StratumKey
}

const nothing: TenantTotals = { tenants: {}, tenantUnits: 0 }

/**
 * All that a tenant adds to its stratum: one unit, its events once, the values of its first sealed conversation. A tenant
 * that an earlier step exposed counts among those of the step, and is no new evidence.
 */
export function tenantContribution(row: TenantUnitDocument | undefined): TenantTotals {
  if (row === undefined || row.gap) return nothing
  if (!row.fresh) return { tenants: {}, tenantUnits: 1 }
  const totals: Record<string, number> = { ...row.totals, units: 1 }
  for (const name of Object.keys(totals)) {
    if (name.startsWith('event_') || name.startsWith('closed_')) delete totals[name]
  }
  for (const name of row.events) totals[`event_${name}`] = 1
  for (const name of closedValueNames) {
    const value = row.first?.[name]
    if (value === undefined) continue
    for (const [moment, addend] of Object.entries(momentsOf(name, value))) {
      totals[`closed_${name}_${moment}`] = addend
    }
  }
  return { tenants: totals, tenantUnits: 1 }
}

/** The part of a telemetry transaction that concerns tenants as units of assignment. */
export class TenantChanges {
  private readonly before: ReadonlyMap<string, TenantUnitDocument>
  private readonly after = new Map<string, TenantUnitDocument>()

  private constructor(before: ReadonlyMap<string, TenantUnitDocument>) {
    this.before = before
  }

  /** Knows the tenants of these ids; only they may change. */
  static async of(database: Database, session: ClientSession, ids: ReadonlySet<string>): Promise<TenantChanges> {
    const known = new Map<string, TenantUnitDocument>()
    if (ids.size > 0) {
      const rows = database.collection<TenantUnitDocument>('tenantUnits').find({ _id: { $in: [...ids] } }, { session })
      for await (const row of rows) known.set(row._id, row)
    }
    return new TenantChanges(known)
  }

  /** A conversation of the tenant changed. */
  reported(stratum: StratumKey, { salt, seq, earlier }: TenantDraw, unit: UnitState, delta: UnitContribution): void {
    const key = { ...stratum, seq }
    const bucket = bucketOf(salt, unit.tenant)
    const row: TenantUnitDocument = this.row(key, unit.tenant) ?? {
      ...{ _id: tenantUnitId(key, unit.tenant), ...key, tenant: unit.tenant, bucket, fresh: bucket >= earlier },
      ...{ events: [], totals: {}, counted: true as const },
    }
    const told = (name: EventName) => row.events.includes(name) || unit.events.includes(name)
    this.after.set(row._id, {
      ...row,
      fresh: row.bucket >= earlier,
      counted: true,
      events: eventNames.filter(told),
      totals: sumTotals(row.totals, sumTotals(delta.tested, delta.gap)),
      ...(unit.gap ? { gap: true } : {}),
    })
  }

  /** A conversation of the tenant was sealed, which counts under the key's entry: the first one gives its values, whatever others come to. */
  sealed(key: StratumKey, unit: UnitState): void {
    const first = unit.sealed ?? {}
    if (unit.gap || closedValueNames.every((name) => first[name] === undefined)) return
    const row = this.row(key, unit.tenant)
    if (row !== undefined && row.first === undefined) this.after.set(row._id, { ...row, first })
  }

  /** By how much the totals of strata change with the tenants. */
  deltas(): readonly TenantDelta[] {
    // What an older version left uncounted stays so until it is told of again, or counted at a start.
    const counted = [...this.after.values()].filter((row) => row.counted)
    return counted.map((row) => {
      const known = this.before.get(row._id)
      const before = known?.counted ? tenantContribution(known) : nothing
      const after = tenantContribution(row)
      const tenants: Totals = minusTotals(after.tenants, before.tenants)
      return { key: keyOf(row), tenants, tenantUnits: after.tenantUnits - before.tenantUnits }
    })
  }

  async save(database: Database, session: ClientSession): Promise<void> {
    if (this.after.size === 0) return
    const replaced = [...this.after.values()].map((document) => ({
      replaceOne: { filter: { _id: document._id }, replacement: document, upsert: true },
    }))
    const rows = database.collection<TenantUnitDocument>('tenantUnits')
    await rows.bulkWrite(replaced, { session, ordered: false })
  }

  private row(key: StratumKey, tenant: string): TenantUnitDocument | undefined {
    const id = tenantUnitId(key, tenant)
    return this.after.get(id) ?? this.before.get(id)
  }
}
