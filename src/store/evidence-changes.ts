import type { AnyBulkWriteOperation, ClientSession, Document } from 'mongodb'
import { type EventName, eventNames, type StratumKey, type UnitReport } from '../domain/telemetry'
import { sourceDeltas, sumTotals, type Totals, type UnitContribution, type UnitState } from '../domain/telemetry-fold'
import type { CollectionSpec, Database } from './database'
import { incremented, seriesRetentionSeconds, stratumId } from './telemetry-documents'

/** What one stratum's tested totals would lose without one source, written with the totals themselves. */
export interface SourceDocument extends StratumKey {
  _id: string
  shard: number
  /** `reporter/<id>` or `key/<name>`. */
  source: string
  lost: Totals
}

/** What one source reported within one second of the store's clock, as `series` holds it for all together. */
export interface SourceSeriesDocument {
  _id: string
  environment: string
  task: string
  composite: string
  at: Date
  source: string
  requests: number
  errors: number
  schemaFailures: number
}

export interface TenantRecordKind {
  readonly releaseId: string
  readonly events: boolean
  readonly spend: boolean
}

/** One tenant under one release. Written when a conversation has an event: seldom, so it costs little. */
export interface TenantRecordDocument {
  _id: string
  environment: string
  task: string
  releaseId: string
  tenant: string
  /** Conversations with an event, by event and over both arms: which tenants are looked at tells nothing of arms. */
  events?: number
  /** What the candidate spent for the tenant; only under a budget by tenant. */
  costNano?: number
  /** By `<seq>_<slice>`. */
  strata?: Record<string, Partial<Record<'candidate' | 'incumbent', Partial<Record<EventName, number>>>>>
}

/** Units that a bounded set of a stratum had no room for. */
export interface FullDocument extends Pick<StratumKey, 'environment' | 'task' | 'seq'> {
  _id: string
  units: number
}

const lane = { environment: 1, task: 1 } as const

export const evidenceRecordCollections: readonly CollectionSpec[] = [
  { name: 'sources', indexes: [{ key: { ...lane, seq: 1 } }] },
  {
    name: 'sourceSeries',
    indexes: [{ key: { composite: 1, at: 1 } }, { key: { at: 1 }, expireAfterSeconds: seriesRetentionSeconds }],
  },
  {
    name: 'tenantRecords',
    indexes: [
      { key: { ...lane, releaseId: 1, events: -1 } },
      { key: { ...lane, releaseId: 1, costNano: -1 }, partial: { costNano: { $exists: true } } },
    ],
  },
  { name: 'fullSets', indexes: [{ key: { ...lane, seq: 1 } }] },
]

interface Told {
  readonly key: StratumKey
  readonly reporter: string
  readonly principal: string
  readonly report: UnitReport
  readonly tenantRecord?: TenantRecordKind
}

/** The part of a telemetry transaction that says who told what, for whom, and what had no room. */
export class EvidenceChanges {
  private readonly lost = new Map<string, { key: StratumKey; source: string; totals: Totals }>()
  private readonly series = new Map<string, { key: StratumKey; source: string; second: number; totals: Totals }>()
  private readonly tenants = new Map<string, { kind: TenantRecordKind; told: Told; increments: Totals }>()
  private readonly fulls = new Map<string, { key: StratumKey; units: number }>()
  private readonly shard: number

  constructor(shard: number) {
    this.shard = shard
  }

  unit(key: StratumKey, before: UnitState | undefined, after: UnitState): void {
    if (key.arm === 'none') return
    for (const [source, delta] of sourceDeltas(before, after)) {
      const id = `${stratumId(key)}/${this.shard}/${source}`
      const known = this.lost.get(id)
      this.lost.set(id, { key, source, totals: sumTotals(known?.totals ?? {}, delta) })
    }
  }

  traffic(told: Told, delta: UnitContribution, servedAt: number): void {
    const both = sumTotals(delta.tested, delta.gap)
    this.sourceTraffic(told, both, Math.floor(servedAt / 1_000))
    this.tenantTraffic(told, delta, both)
  }

  full(key: StratumKey): void {
    const id = `${key.environment}/${key.task}/${key.seq}`
    this.fulls.set(id, { key, units: (this.fulls.get(id)?.units ?? 0) + 1 })
  }

  async save(database: Database, session: ClientSession): Promise<void> {
    const options = { session, ordered: false }
    const write = async (name: string, updates: readonly { _id: string; update: Document }[]): Promise<void> => {
      if (updates.length === 0) return
      const operations = updates.map(
        ({ _id, update }): AnyBulkWriteOperation<{ _id: string }> => ({
          updateOne: { filter: { _id }, update, upsert: true },
        }),
      )
      await database.collection<{ _id: string }>(name).bulkWrite(operations, options)
    }
    await write(
      'sources',
      [...this.lost].flatMap(([_id, { key, source, totals }]) => {
        const $inc = incremented('lost', nonZero(totals))
        if (Object.keys($inc).length === 0) return []
        return [{ _id, update: { $setOnInsert: { ...key, shard: this.shard, source }, $inc } }]
      }),
    )
    await write(
      'sourceSeries',
      [...this.series].map(([_id, row]) => ({ _id, update: seriesUpdate(row) })),
    )
    await write(
      'tenantRecords',
      [...this.tenants].map(([_id, { kind, told, increments }]) => {
        const { environment, task } = told.key
        const $setOnInsert = { environment, task, releaseId: kind.releaseId, tenant: told.report.tenant }
        return { _id, update: { $setOnInsert, $inc: increments } }
      }),
    )
    await write(
      'fullSets',
      [...this.fulls].map(([_id, { key, units }]) => {
        const { environment, task, seq } = key
        return { _id, update: { $setOnInsert: { environment, task, seq }, $inc: { units } } }
      }),
    )
  }

  private sourceTraffic({ key, reporter, principal }: Told, totals: Totals, second: number): void {
    if (key.arm === 'none' || !totals.requests) return
    for (const source of [`reporter/${reporter}`, `key/${principal}`]) {
      const id = `${key.environment}/${key.task}/${key.composite}/${second}/${this.shard}/${source}`
      const known = this.series.get(id)
      this.series.set(id, { key, source, second, totals: sumTotals(known?.totals ?? {}, totals) })
    }
  }

  private tenantTraffic(told: Told, delta: UnitContribution, both: Totals): void {
    const { key, tenantRecord: kind, report } = told
    if (kind === undefined || key.arm === 'none') return
    const events = kind.events ? eventsOf(delta.tested) : []
    const spent = kind.spend ? (both.costNano ?? 0) : 0
    if (events.length === 0 && spent === 0) return
    const id = `${key.environment}/${key.task}/${kind.releaseId}/${report.tenant}`
    const increments: Record<string, number> = { ...this.tenants.get(id)?.increments }
    const add = (name: string, value: number): void => {
      increments[name] = (increments[name] ?? 0) + value
    }
    for (const [name, value] of events) {
      add('events', value)
      add(`strata.${key.seq}_${key.slice}.${key.arm}.${name}`, value)
    }
    if (spent !== 0) add('costNano', spent)
    this.tenants.set(id, { kind, told, increments })
  }
}

function seriesUpdate(row: { key: StratumKey; source: string; second: number; totals: Totals }): Document {
  const { key, source, second, totals } = row
  const { requests = 0, errors = 0, schemaFailures = 0 } = totals
  const { environment, task, composite } = key
  const at = new Date(second * 1_000)
  return { $setOnInsert: { environment, task, composite, at, source }, $inc: { requests, errors, schemaFailures } }
}

const eventsOf = (totals: Totals): readonly (readonly [EventName, number])[] =>
  eventNames.flatMap((name) => {
    const value = totals[`event_${name}`]
    return value ? [[name, value] as const] : []
  })

const nonZero = (totals: Totals): Totals =>
  Object.fromEntries(Object.entries(totals).filter(([, value]) => value !== 0))
