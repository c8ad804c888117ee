import type { SourceKind, SourceShare, TenantsOfInterest } from '../domain/live-evidence'
import type { BreakerPolicy } from '../domain/policy'
import { anyOneOf } from '../domain/source-fold'
import { sumTotals } from '../domain/telemetry-fold'
import { maxWatchedTenants } from '../domain/tenant-harm'
import type { Digest } from '../domain/version'
import type { Database } from './database'
import type { FullDocument, SourceDocument, SourceSeriesDocument, TenantRecordDocument } from './evidence-changes'

/** Sources of one kind that are told apart: those with most units and requests; of the others a bound on any one. */
export const maxToldApart = 16
/** Rows of sources that one look reads. Beyond, processes are not told apart: their API keys still are. */
const maxSourceRows = 20_000
/** Tenants that a look counts. Beyond, all records there are stand for them: too many hides harm, too few makes it up. */
export const maxCountedTenants = 10_000

export interface SourceQuestion {
  readonly environment: string
  readonly task: string
  readonly candidate: Digest
  readonly seqs: readonly number[]
  readonly breakers: readonly BreakerPolicy[]
}

interface TenantQuestion {
  readonly environment: string
  readonly task: string
  readonly releaseId: string
}

type SourceLost = SourceShare['lost'][number]
type WindowPart = SourceShare['windows'][number]

/** What judgements ask beside the totals: cheap where nothing is wrong, since most of it is read only then. */
export class EvidenceReader {
  private readonly database: Database

  constructor(database: Database) {
    this.database = database
  }

  /** Who told what of these entries, and within the windows of the error breakers. */
  async sources(question: SourceQuestion): Promise<readonly SourceShare[]> {
    const [lost, windows] = await Promise.all([this.lostOf(question), this.windowsOf(question)])
    return (['key', 'reporter'] as const).flatMap((kind) => gathered(kind, question, lost, windows))
  }

  /** Tenants with the most conversations that had an event, and at least as many as have the minimum. */
  async tenants(question: TenantQuestion, minimumEvents: number): Promise<TenantsOfInterest> {
    const records = this.tenantRecords()
    const filter = { ...question, events: { $gte: minimumEvents } }
    const rows = await records.find(filter).sort({ events: -1 }).limit(maxWatchedTenants).toArray()
    const eligible = rows.length < maxWatchedTenants ? rows.length : await this.eligible(filter)
    const watched = rows.map(({ tenant, strata = {} }) => ({
      tenant,
      strata: Object.entries(strata).map(([name, { candidate = {}, incumbent = {} }]) => {
        const [seq, slice] = name.split('_').map(Number)
        return { seq: seq ?? 0, slice: slice ?? 0, candidate, incumbent }
      }),
    }))
    return { watched, eligible }
  }

  /** The tenant for whom the candidate of the release spent most; undefined where no budget by tenant is kept. */
  async topTenant(question: TenantQuestion): Promise<{ readonly tenant: string; readonly usd: number } | undefined> {
    const filter = { ...question, costNano: { $gt: 0 } }
    const [row] = await this.tenantRecords().find(filter).sort({ costNano: -1 }).limit(1).toArray()
    return row && { tenant: row.tenant, usd: (row.costNano ?? 0) / 1e9 }
  }

  /** Whether a bounded set under these entries had no room, so that its counts no longer grow. */
  async isFull(environment: string, task: string, seqs: readonly number[]): Promise<boolean> {
    const sets = this.database.collection<FullDocument>('fullSets')
    const filter = { environment, task, seq: { $in: [...seqs] } }
    return (await sets.findOne(filter, { projection: { _id: 1 } })) !== null
  }

  /** Which of these entries, as `environment/task/seq`, have a set without room. */
  async fullOf(ids: readonly string[]): Promise<ReadonlyMap<string, true>> {
    const sets = this.database.collection<FullDocument>('fullSets')
    const found = await sets.find({ _id: { $in: [...ids] } }, { projection: { _id: 1 } }).toArray()
    return new Map(found.map(({ _id }) => [_id, true]))
  }

  private async lostOf({ environment, task, seqs }: SourceQuestion): Promise<Map<string, SourceLost[]>> {
    const rows = this.database.collection<SourceDocument>('sources')
    const filter = { environment, task, seq: { $in: [...seqs] } }
    const found = new Map<string, Map<string, SourceLost>>()
    const take = (row: SourceDocument): void => {
      const { seq, slice, arm, source } = row
      if (arm === 'none') return
      const own = found.get(source) ?? new Map<string, SourceLost>()
      const known = own.get(`${seq}/${slice}/${arm}`)
      const totals = sumTotals(known?.totals ?? {}, row.lost ?? {})
      found.set(source, own.set(`${seq}/${slice}/${arm}`, { environment, seq, slice, arm, totals }))
    }
    for await (const row of rows.find({ ...filter, source: /^key\// }).limit(maxSourceRows)) take(row)
    const reporters = await rows
      .find({ ...filter, source: /^reporter\// })
      .limit(maxSourceRows + 1)
      .toArray()
    if (reporters.length <= maxSourceRows) for (const row of reporters) take(row)
    return new Map([...found].map(([source, own]) => [source, [...own.values()]]))
  }

  /** By source, what it reported in each window; in the order of the error breakers. */
  private async windowsOf(question: SourceQuestion): Promise<readonly Map<string, WindowPart>[]> {
    const { environment, task, candidate, breakers } = question
    const now = await this.database.now()
    const errorBreakers = breakers.flatMap((breaker) => (breaker.kind === 'errors' ? [breaker] : []))
    return Promise.all(
      errorBreakers.map(async ({ windowMs, events }) => {
        const $match = { composite: candidate, environment, task, at: { $gte: new Date(now - windowMs) } }
        const sums = Object.fromEntries(
          ['requests', 'errors', 'schemaFailures'].map((name) => [name, { $sum: `$${name}` }]),
        )
        // In the order of names, so that API keys come first: there are few, and whoever reports may be any number of processes.
        const pipeline = [
          { $match },
          { $group: { _id: '$source', ...sums } },
          { $sort: { _id: 1 } },
          { $limit: maxSourceRows },
        ]
        const rows = this.database
          .collection<SourceSeriesDocument>('sourceSeries')
          .aggregate<SourceSeriesDocument>(pipeline)
        const parts = new Map<string, WindowPart>()
        for await (const { _id, requests, errors, schemaFailures } of rows) {
          const counted =
            (events.includes('error') ? errors : 0) + (events.includes('schema_failure') ? schemaFailures : 0)
          parts.set(_id, { requests, errors: counted })
        }
        return parts
      }),
    )
  }

  /** Never too few: the threshold of each tenant grows with it. */
  private async eligible(filter: object): Promise<number> {
    const records = this.tenantRecords()
    const counted = await records.countDocuments(filter, { limit: maxCountedTenants })
    return counted < maxCountedTenants ? counted : Math.max(counted, await records.estimatedDocumentCount())
  }

  private tenantRecords() {
    return this.database.collection<TenantRecordDocument>('tenantRecords')
  }
}

function gathered(
  kind: SourceKind,
  { breakers }: SourceQuestion,
  lost: ReadonlyMap<string, readonly SourceLost[]>,
  windows: readonly ReadonlyMap<string, WindowPart>[],
): readonly SourceShare[] {
  const prefix = `${kind}/`
  const ids = new Set([...lost.keys(), ...windows.flatMap((parts) => [...parts.keys()])])
  const count = breakers.filter((breaker) => breaker.kind === 'errors').length
  const shares = [...ids]
    .filter((id) => id.startsWith(prefix))
    .map(
      (id): SourceShare => ({
        kind,
        name: id.slice(prefix.length),
        lost: lost.get(id) ?? [],
        windows: Array.from({ length: count }, (_, index) => windows[index]?.get(id) ?? { requests: 0, errors: 0 }),
      }),
    )
    .sort((left, right) => weightOf(right) - weightOf(left) || (left.name < right.name ? -1 : 1))
  return [...shares.slice(0, maxToldApart), ...anyOneOf(shares.slice(maxToldApart))]
}

const weightOf = ({ lost, windows }: SourceShare): number =>
  lost.reduce((sum, { totals }) => sum + (totals.units ?? 0), 0) +
  windows.reduce((sum, { requests }) => sum + requests, 0)
