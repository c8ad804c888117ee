import type { ClosedValueName, EventName, StratumKey } from '../domain/telemetry'
import type { Pictures, Totals, UnitState } from '../domain/telemetry-fold'
import type { CollectionSpec } from './database'

/** One conversation in one stratum and arm. Kept for as long as late reports of it are recognised. */
export interface UnitDocument extends StratumKey {
  _id: string
  unit: string
  state: UnitState
  /** Its slice is exposed by tenant, so it counts in a tenant unit too. */
  byTenant?: true
  /** Seq of the entry under which that tenant unit counts. Older versions left it out, for the unit's own. */
  tenantSeq?: number
  /** When the unit is to be sealed, by the store's clock; absent once it is, and in arm `none`. */
  due?: Date
  touchedAt: Date
}

/**
 * Exact totals of one arm in one stratum. Several documents (`shard`) hold parts of the sum, so that servers writing
 * at the same time rarely meet in one document.
 */
export interface StratumDocument extends StratumKey {
  _id: string
  shard: number
  tested: Totals
  gap: Totals
  /** Absent before the first unit is sealed. Left out by whoever judges. */
  pictures?: Pictures
  /** With the tenant as unit, over tenants that no earlier step exposed; absent where exposure is by conversation. */
  tenants?: Totals
  /** Every tenant that counts, whatever exposed it. */
  tenantUnits?: number
}

/** A tenant of a slice that is exposed by tenant: there the tenant is the unit of assignment. */
export interface TenantUnitDocument extends StratumKey {
  _id: string
  tenant: string
  /** Bucket 0..9999 of the tenant under the entry's salt, computed here and never by a reporter. */
  bucket: number
  /** No earlier step exposed it: it is new evidence. */
  fresh: boolean
  /** What it adds is in the totals of its stratum. Older versions left that to whoever reads. */
  counted?: true
  events: readonly EventName[]
  totals: Totals
  /** A conversation of the tenant began in a reported gap: the tenant is shown, never tested. */
  gap?: boolean
  /** Values of the tenant's first sealed conversation: fixed once, unlike a mean over all of them. */
  first?: Partial<Record<ClosedValueName, number>>
}

export const seriesFields = ['requests', 'errors', 'schemaFailures', 'costNano'] as const
export type SeriesSum = { readonly [field in (typeof seriesFields)[number]]: number }

/**
 * What one composite did within one minute of the store's clock, and in each second of it: breakers and budgets look at
 * these. Older versions kept a document for each second, without `seconds`; they are added up alike.
 */
export interface SeriesDocument extends Partial<SeriesSum> {
  _id: string
  environment: string
  task: string
  composite: string
  at: Date
  shard: number
  /** By second within the minute. */
  seconds?: Readonly<Record<string, Partial<SeriesSum>>>
}

const daySeconds = 24 * 3_600

/** Longer than a binding lives (one horizon), so that a report is recognised for as long as it can be made. */
const unitRetentionSeconds = 60 * daySeconds
export const seriesRetentionSeconds = 2 * 3_600

const stratum = { environment: 1, task: 1, seq: 1, slice: 1, arm: 1 } as const

export const telemetryCollections: readonly CollectionSpec[] = [
  {
    name: 'units',
    indexes: [
      { key: { due: 1 }, partial: { due: { $exists: true } } },
      { key: stratum },
      { key: { touchedAt: 1 }, expireAfterSeconds: unitRetentionSeconds },
    ],
  },
  { name: 'strata', indexes: [{ key: { ...stratum, composite: 1 } }] },
  { name: 'tenantUnits' },
  {
    name: 'series',
    indexes: [{ key: { composite: 1, at: 1 } }, { key: { at: 1 }, expireAfterSeconds: seriesRetentionSeconds }],
  },
]

/** Increments of totals under one field of a document. */
export const incremented = (prefix: string, totals: Totals | Pictures): Record<string, number> =>
  Object.fromEntries(Object.entries(totals).map(([name, value]) => [`${prefix}.${name}`, value]))

/** Servers that write at the same time take different shards, as far as they go. */
export const shardCount = 8

export const keyOf = ({ environment, task, seq, slice, arm, composite }: StratumKey): StratumKey => ({
  environment,
  task,
  seq,
  slice,
  arm,
  composite,
})

export const tenantUnitId = (key: StratumKey, tenant: string): string => `${stratumId(key)}/${tenant}`

export const stratumId = (key: StratumKey): string =>
  `${key.environment}/${key.task}/${key.seq}/${key.slice}/${key.arm}/${key.composite.slice('sha256:'.length, 23)}`
