import type { ClientSession, Document } from 'mongodb'
import { MongoNetworkError, MongoServerError, MongoServerSelectionError } from 'mongodb'
import type { QualityValue } from '../domain/quality'
import type { StratumKey, UnitReport } from '../domain/telemetry'
import {
  mergeUnit,
  sealUnit,
  sumContributions,
  sumTotals,
  type Totals,
  tellQuality,
  type UnitContribution,
  type UnitState,
} from '../domain/telemetry-fold'
import { SluiceError } from '../errors'
import type { Database } from './database'
import { EvidenceChanges, type TenantRecordKind } from './evidence-changes'
import {
  incremented,
  keyOf,
  type SeriesDocument,
  type StratumDocument,
  seriesFields,
  shardCount,
  stratumId,
  tenantUnitId,
  type UnitDocument,
} from './telemetry-documents'
import { TenantChanges, type TenantDraw } from './tenant-changes'

/** One report of one unit, checked against the ledger. `draw` present: its slice is exposed by tenant. */
export interface UnitWork {
  readonly key: StratumKey
  readonly reporter: string
  /** The API key that reports it. */
  readonly principal: string
  readonly report: UnitReport
  /** How long ago what it tells counts as served. */
  readonly agoMs: number
  readonly draw?: TenantDraw
  /** Under a release; what of it is kept by tenant. */
  readonly tenantRecord?: TenantRecordKind
}

/** A value of a custom metric that the entry of the unit watches. */
export interface OutcomeWork {
  readonly key: StratumKey
  readonly unit: string
  readonly metric: string
  readonly told: QualityValue
}

export interface TelemetryTimes {
  /** From the first report that closes a unit to its sealing: a few flush intervals of other replicas. */
  readonly sealGraceMs: number
  /** A unit without any report for this long is closed. */
  readonly idleMs: number
}

interface Waiting {
  readonly works: readonly UnitWork[]
  resolve(full: number): void
  reject(error: unknown): void
}

const minuteMs = 60_000
const maxUnitsPerTransaction = 500
const maxQueuedUnits = 20_000
const maxAttempts = 8
const duplicateKey = 11_000

/**
 * The only writer of units and totals in a process. Batches that wait for the running transaction are merged into the
 * next one (group commit); a unit and the totals it changes are written together, so that totals are always what a
 * recount of the units gives.
 */
export class TelemetryWriter {
  private readonly queue: Waiting[] = []
  private queuedUnits = 0
  private running: Promise<void> | undefined
  private last: Promise<unknown> = Promise.resolve()
  private readonly database: Database
  private readonly times: TelemetryTimes
  private readonly shard = Math.floor(Math.random() * shardCount)

  constructor(database: Database, times: TelemetryTimes) {
    this.database = database
    this.times = times
  }

  /** Resolves once the works are committed, with the number refused because their unit has too many reporters. */
  async write(works: readonly UnitWork[]): Promise<number> {
    if (works.length === 0) return 0
    if (this.queuedUnits + works.length > maxQueuedUnits) {
      throw new SluiceError('rate_limited', 'Telemetry arrives faster than it can be stored. Send it again later.')
    }
    const chunks: Promise<number>[] = []
    for (let from = 0; from < works.length; from += maxUnitsPerTransaction) {
      chunks.push(this.enqueue(works.slice(from, from + maxUnitsPerTransaction)))
    }
    return (await Promise.all(chunks)).reduce((sum, full) => sum + full, 0)
  }

  private enqueue(works: readonly UnitWork[]): Promise<number> {
    return new Promise((resolve, reject) => {
      this.queue.push({ works, resolve, reject })
      this.queuedUnits += works.length
      this.running ??= this.drain()
    })
  }

  private async drain(): Promise<void> {
    while (this.queue.length > 0) {
      const group = this.takeGroup()
      // One that spoils the transaction of all is not paid for by the others.
      if (!(await this.commit(group))) for (const waiting of group) await this.commit([waiting])
    }
    // In the same turn as the last look at the queue, so that nothing is left waiting in it.
    this.running = undefined
  }

  /** False: nothing is written and nobody was told, since more than one waits. */
  private async commit(group: readonly Waiting[]): Promise<boolean> {
    try {
      const full = await this.alone(() => this.transact((session) => this.merge(group, session)))
      group.forEach((waiting, index) => {
        waiting.resolve(full[index] ?? 0)
      })
      return true
    } catch (error) {
      if (group.length > 1 && !isOutage(error)) return false
      for (const waiting of group) waiting.reject(error)
      return true
    }
  }

  private takeGroup(): Waiting[] {
    const group: Waiting[] = []
    let size = 0
    for (;;) {
      const next = this.queue[0]
      if (next === undefined || (group.length > 0 && size + next.works.length > maxUnitsPerTransaction)) break
      this.queue.shift()
      group.push(next)
      size += next.works.length
    }
    this.queuedUnits -= size
    return group
  }

  /** Seals up to `limit` units that are due; returns how many. Safe with other servers doing the same. */
  seal(limit: number): Promise<number> {
    return this.alone(() => this.transact((session) => this.sealDue(Math.min(limit, maxUnitsPerTransaction), session)))
  }

  /** Takes told values into their units; answers those whose unit is not known. */
  join(works: readonly OutcomeWork[]): Promise<readonly OutcomeWork[]> {
    return this.alone(() => this.transact((session) => this.mergeOutcomes(works, session)))
  }

  /** Transactions of one process never compete with each other. */
  private alone<T>(work: () => Promise<T>): Promise<T> {
    const next = this.last.then(work, work)
    this.last = next.catch(() => undefined)
    return next
  }

  /** The driver repeats what MongoDB calls transient; two upserts of one new document are the same and are not. */
  private async transact<T>(work: (session: ClientSession) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.database.transact(work)
      } catch (error) {
        const again = error instanceof MongoServerError && error.code === duplicateKey && attempt < maxAttempts
        if (!again) throw error
      }
    }
  }

  private async merge(group: readonly Waiting[], session: ClientSession): Promise<number[]> {
    const units = this.database.collection<UnitDocument>('units')
    const ids = new Set(group.flatMap(({ works }) => works.map(unitId)))
    const known = new Map<string, UnitDocument>()
    for await (const row of units.find({ _id: { $in: [...ids] } }, { session })) known.set(row._id, row)
    const now = await this.database.now(session)
    const changes = new Changes(this.shard, await this.tenantsOf(group, known, session))
    const refused = group.map(({ works }) => {
      let full = 0
      for (const work of works) {
        const before = known.get(unitId(work))
        const merged = mergeUnit(before?.state, work.reporter, work.report, work.principal)
        if (merged.full) {
          full++
          changes.evidence.full(work.key)
        }
        if (!merged.changed) continue
        const document = this.documentOf(work, merged.unit, before, now)
        known.set(document._id, document)
        changes.unit(document)
        changes.add(work.key, merged.delta, now - work.agoMs)
        changes.evidence.unit(work.key, before?.state, merged.unit)
        changes.evidence.traffic(work, merged.delta, now - work.agoMs)
        if (work.draw !== undefined) changes.tenants.reported(work.key, work.draw, merged.unit, merged.delta)
      }
      return full
    })
    await changes.save(this.database, session)
    return refused
  }

  /** The tenants that these reports are about. A unit keeps the tenant that it was first reported with. */
  private tenantsOf(
    group: readonly Waiting[],
    known: ReadonlyMap<string, UnitDocument>,
    session: ClientSession,
  ): Promise<TenantChanges> {
    const ids = new Set<string>()
    for (const work of group.flatMap(({ works }) => works)) {
      if (work.draw === undefined) continue
      const key = { ...work.key, seq: work.draw.seq }
      ids.add(tenantUnitId(key, known.get(unitId(work))?.state.tenant ?? work.report.tenant))
    }
    return TenantChanges.of(this.database, session, ids)
  }

  private async mergeOutcomes(works: readonly OutcomeWork[], session: ClientSession): Promise<readonly OutcomeWork[]> {
    const idOf = ({ key, unit }: OutcomeWork): string => `${stratumId(key)}/${unit}`
    const units = this.database.collection<UnitDocument>('units')
    const known = new Map<string, UnitDocument>()
    for await (const row of units.find({ _id: { $in: works.map(idOf) } }, { session })) known.set(row._id, row)
    const tenants = await TenantChanges.of(this.database, session, new Set())
    const changes = new Changes(this.shard, tenants)
    const unknown: OutcomeWork[] = []
    for (const work of works) {
      const before = known.get(idOf(work))
      if (before === undefined) {
        unknown.push(work)
        continue
      }
      const { unit, delta } = tellQuality(before.state, work.metric, work.told)
      if (unit === before.state) continue
      const document = { ...before, state: unit }
      known.set(before._id, document)
      changes.unit(document)
      changes.add(work.key, delta)
      changes.evidence.unit(work.key, before.state, unit)
    }
    await changes.save(this.database, session)
    return unknown
  }

  private documentOf(work: UnitWork, state: UnitState, before: UnitDocument | undefined, now: number): UnitDocument {
    const wait = state.closed ? this.times.sealGraceMs : this.times.idleMs
    const due = before?.state.closed ? before.due : new Date(now + wait)
    return {
      _id: unitId(work),
      ...work.key,
      unit: work.report.unit,
      state,
      touchedAt: new Date(now),
      ...(work.draw === undefined ? {} : { byTenant: true as const, tenantSeq: work.draw.seq }),
      ...(due === undefined || state.sealed || work.key.arm === 'none' ? {} : { due }),
    }
  }

  private async sealDue(limit: number, session: ClientSession): Promise<number> {
    const now = await this.database.now(session)
    const units = this.database.collection<UnitDocument>('units')
    const due = await units
      .find({ due: { $lte: new Date(now) } }, { session })
      .sort({ due: 1 })
      .limit(limit)
      .toArray()
    const ids = due.flatMap((row) => (row.byTenant ? [tenantUnitId(tenantKeyOf(row), row.state.tenant)] : []))
    const tenants = await TenantChanges.of(this.database, session, new Set(ids))
    const changes = new Changes(this.shard, tenants)
    for (const { due: _due, ...row } of due) {
      const key = keyOf(row)
      const { unit, delta } = sealUnit(row.state)
      changes.unit({ ...row, state: unit })
      changes.add(key, delta)
      changes.evidence.unit(key, row.state, unit)
      if (row.byTenant) changes.tenants.sealed(tenantKeyOf(row), unit)
    }
    await changes.save(this.database, session)
    return due.length
  }
}

/** The store is away: it is so for everyone, and trying each by itself would only take longer. */
const isOutage = (error: unknown): boolean =>
  error instanceof MongoNetworkError || error instanceof MongoServerSelectionError

const tenantKeyOf = (row: UnitDocument): StratumKey => ({ ...keyOf(row), seq: row.tenantSeq ?? row.seq })

const unitId = (work: UnitWork): string => `${stratumId(work.key)}/${work.report.unit}`

/** What one transaction writes, gathered so that each document is written once. */
class Changes {
  private readonly units = new Map<string, UnitDocument>()
  private readonly strata = new Map<string, { key: StratumKey; sum: UnitContribution }>()
  private readonly series = new Map<string, { key: StratumKey; servedAt: number; totals: Totals }>()
  readonly tenants: TenantChanges
  readonly evidence: EvidenceChanges
  private readonly shard: number

  constructor(shard: number, tenants: TenantChanges) {
    this.tenants = tenants
    this.shard = shard
    this.evidence = new EvidenceChanges(shard)
  }

  unit(document: UnitDocument): void {
    this.units.set(document._id, document)
  }

  /** `servedAt`: of what is traffic. */
  add(key: StratumKey, delta: UnitContribution, servedAt?: number): void {
    const id = `${stratumId(key)}/${this.shard}`
    const before = this.strata.get(id)
    this.strata.set(id, { key, sum: before ? sumContributions(before.sum, delta) : delta })
    if (servedAt === undefined) return
    const second = `${key.environment}/${key.task}/${key.composite}/${Math.floor(servedAt / 1_000)}`
    const served = this.series.get(second) ?? { key, servedAt, totals: {} }
    served.totals = sumTotals(served.totals, sumTotals(delta.tested, delta.gap))
    this.series.set(second, served)
  }

  async save(database: Database, session: ClientSession): Promise<void> {
    await this.evidence.save(database, session)
    if (this.units.size === 0) return
    const options = { session, ordered: false }
    const replaced = [...this.units.values()].map((document) => ({
      replaceOne: { filter: { _id: document._id }, replacement: document, upsert: true },
    }))
    await database.collection<UnitDocument>('units').bulkWrite(replaced, options)
    const strata = this.strataWrites()
    if (strata.length > 0) await database.collection<StratumDocument>('strata').bulkWrite(strata, options)
    const series = [...this.series.values()].flatMap((row) => this.seriesWrite(row))
    if (series.length > 0) await database.collection<SeriesDocument>('series').bulkWrite(series, options)
    await this.tenants.save(database, session)
  }

  private strataWrites() {
    const writes = new Map<string, { readonly key: StratumKey; readonly increments: Record<string, number> }>()
    const add = (key: StratumKey, increments: Record<string, number>): void => {
      const id = `${stratumId(key)}/${this.shard}`
      const known = writes.get(id)
      writes.set(id, { key, increments: sumTotals(known?.increments ?? {}, increments) as Record<string, number> })
    }
    for (const { key, sum } of this.strata.values()) {
      const { tested, gap, pictures } = sum
      add(key, {
        ...incremented('tested', tested),
        ...incremented('gap', gap),
        ...incremented('pictures', pictures),
      })
    }
    for (const { key, tenants, tenantUnits } of this.tenants.deltas()) {
      add(key, { ...incremented('tenants', tenants), ...(tenantUnits === 0 ? {} : { tenantUnits }) })
    }
    return [...writes].flatMap(([_id, { key, increments }]) => {
      if (Object.keys(increments).length === 0) return []
      const update = { $setOnInsert: { ...key, shard: this.shard }, $inc: increments } as Document
      return [{ updateOne: { filter: { _id }, update, upsert: true } }]
    })
  }

  private seriesWrite({ key, servedAt, totals }: { key: StratumKey; servedAt: number; totals: Totals }) {
    const counted = seriesFields.flatMap((field) => {
      const value = totals[field]
      return value ? [[field, value] as const] : []
    })
    if (counted.length === 0) return []
    const { environment, task, composite } = key
    const minute = Math.floor(servedAt / minuteMs)
    const _id = `${environment}/${task}/${composite}/${minute}/${this.shard}`
    const at = new Date(minute * minuteMs)
    const second = Math.floor((servedAt % minuteMs) / 1_000)
    const $inc = Object.fromEntries(
      counted.flatMap(([field, value]) => [
        [field, value],
        [`seconds.${second}.${field}`, value],
      ]),
    )
    const update = { $setOnInsert: { environment, task, composite, at, shard: this.shard }, $inc }
    return [{ updateOne: { filter: { _id }, update, upsert: true } }]
  }
}
