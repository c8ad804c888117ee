import type { Allocation, FrozenThresholds, Slice } from '../domain/allocation'
import { type ArmPercentiles, percentilesIn } from '../domain/percentiles'
import type { Arm, ArmStats, BreakerWindow, StratumStats } from '../domain/telemetry'
import { armStatsOf, type Pictures, sumTotals, type Totals } from '../domain/telemetry-fold'
import type { Digest } from '../domain/version'
import { mergeSketches } from '../stats/quantile-sketch'
import type { Database } from './database'
import type { RequestLog } from './request-log'
import { type SeriesDocument, type StratumDocument, seriesRetentionSeconds } from './telemetry-documents'
import { armOfTenants, shareAmongNew } from './tenant-strata'

/** Entries of one lane: those of a release, or named ones. */
export interface EntrySelection {
  readonly environment: string
  readonly task: string
  readonly releaseId?: string
  readonly seqs?: readonly number[]
}

/** Everything a composite did, whatever arm or share it had. */
export interface CompositeTotals extends ArmStats {
  readonly composite: Digest
}

export interface WindowQuestion {
  readonly environment: string
  readonly task: string
  readonly composite: Digest
  readonly windowMs: number
  /** What counts as an error; absent: both. */
  readonly events?: readonly ('error' | 'schema_failure')[]
}

export interface SpendQuestion {
  readonly composite: Digest
  readonly environment?: string
  readonly task?: string
  /** Up to two hours back. */
  readonly sinceMs: number
}

const maxEntries = 1_000
const maxStrata = 100_000
const withoutPictures = { projection: { pictures: 0 } } as const
const seriesFields = ['requests', 'errors', 'schemaFailures', 'costNano'] as const
type SeriesSum = { readonly [field in (typeof seriesFields)[number]]: number }
const thresholdSample = 1_000
const thresholdMinimum = 20

/** The read side of telemetry: all answers are sums that writers keep exact, so a new reader needs no memory. */
export class TelemetryReader {
  private readonly database: Database
  private readonly requests: RequestLog

  constructor(database: Database, requests: RequestLog) {
    this.database = database
    this.requests = requests
  }

  /** The tested strata (0 < share < 1, candidate beside incumbent) of the selected entries, in seq order. */
  async strataOf(selection: EntrySelection): Promise<StratumStats[]> {
    const entries = await this.entriesOf(selection)
    const totals = await this.totalsOf(selection, entries, 'tested')
    const strata = entries
      .filter((entry) => entry.candidate !== undefined && entry.incumbent !== undefined)
      .flatMap((entry) => entry.exposure.map((slice, index) => ({ entry, slice, index })))
    const answers = await Promise.all(
      strata.map(({ entry, slice, index }) =>
        slice.by === 'tenant' ? this.tenantStratum(entry, index) : conversationStratum(entry, index, totals),
      ),
    )
    return answers.filter((stratum) => stratum !== undefined)
  }

  /** Units by arm bound to the selected entries whatever the share; tenants where the slice is exposed by tenant. */
  async stepUnits(selection: EntrySelection): Promise<{ candidate: number; incumbent: number }> {
    const entries = await this.entriesOf(selection)
    const totals = await this.totalsOf(selection, entries, 'tested')
    const units = { candidate: 0, incumbent: 0 }
    for (const entry of entries) {
      for (const [index, slice] of entry.exposure.entries()) {
        for (const arm of ['candidate', 'incumbent'] as const) {
          units[arm] +=
            slice.by === 'tenant'
              ? (await armOfTenants(this.database, { entry, slice: index, arm, bucketFrom: 0 })).units
              : (totals.get(armKey(entry.seq, index, arm))?.units ?? 0)
        }
      }
    }
    return units
  }

  /** Cumulative totals of one composite under the selected entries: all slices, any share, any arm, gaps included. */
  async compositeTotals(selection: EntrySelection & { readonly composite: Digest }): Promise<CompositeTotals> {
    const { environment, task, composite } = selection
    const entries = await this.entriesOf(selection)
    const filter = { environment, task, seq: { $in: entries.map(({ seq }) => seq) }, composite }
    let sum: Totals = {}
    for await (const row of this.strata().find(filter, withoutPictures).limit(maxStrata))
      sum = sumTotals(sum, bothOf(row))
    return { composite, ...armStatsOf(sum) }
  }

  /** Percentiles by arm over the closed conversations of the selected entries, whatever slice or share. For display. */
  async percentilesOf(selection: EntrySelection): Promise<ArmPercentiles> {
    const { environment, task } = selection
    const seqs = (await this.entriesOf(selection)).map(({ seq }) => seq)
    const filter = { environment, task, seq: { $in: seqs }, arm: { $in: ['candidate', 'incumbent'] } } as const
    const sums: Record<'candidate' | 'incumbent', Pictures> = { candidate: {}, incumbent: {} }
    const rows = this.strata().find(filter, { projection: { arm: 1, pictures: 1 } })
    for await (const { arm, pictures } of rows.limit(maxStrata)) {
      if (arm !== 'none') sums[arm] = mergeSketches(sums[arm], pictures ?? {})
    }
    return { candidate: percentilesIn(sums.candidate), incumbent: percentilesIn(sums.incumbent) }
  }

  /** What the composite did within the last `windowMs` of the store's clock, in whole seconds. */
  async window(question: WindowQuestion): Promise<BreakerWindow> {
    const { environment, task, composite, windowMs, events = ['error', 'schema_failure'] } = question
    const sum = await this.sumSince({ environment, task, composite }, windowMs)
    const errors =
      (events.includes('error') ? sum.errors : 0) + (events.includes('schema_failure') ? sum.schemaFailures : 0)
    return { windowMs, requests: sum.requests, errors, costUsd: sum.costNano / 1e9 }
  }

  /** USD as billed that the composite cost in the last `sinceMs`, in one lane or everywhere. */
  async spend({ composite, environment, task, sinceMs }: SpendQuestion): Promise<number> {
    const lane = { ...(environment === undefined ? {} : { environment }), ...(task === undefined ? {} : { task }) }
    return (await this.sumSince({ composite, ...lane }, sinceMs)).costNano / 1e9
  }

  /**
   * The 95th percentiles of the composite's last thousand live requests in the lane: the limits that exceedance events
   * of a release are counted against. Cost is the uncached equivalent. Undefined below twenty requests.
   */
  async thresholds(environment: string, task: string, composite: Digest): Promise<FrozenThresholds | undefined> {
    const rows = await this.requests.newest({ environment, task, composite }, thresholdSample)
    if (rows.length < thresholdMinimum) return undefined
    return {
      costUsd: percentile95(rows.map((row) => row.uncachedCostUsd)),
      latencyMs: percentile95(rows.map((row) => row.latencyMs)),
    }
  }

  private async tenantStratum(entry: Allocation, index: number): Promise<StratumStats | undefined> {
    const slice = entry.exposure[index]
    if (slice === undefined) return undefined
    const earlier = await this.earlierShare(entry, slice)
    const share = shareAmongNew(slice.basisPoints, earlier)
    if (share === undefined) return undefined
    const read = (arm: 'candidate' | 'incumbent') =>
      armOfTenants(this.database, { entry, slice: index, arm, bucketFrom: earlier })
    const { environment, task, seq } = entry
    const [candidate, incumbent] = await Promise.all([read('candidate'), read('incumbent')])
    return { environment, task, seq, slice: index, share, by: 'tenant', candidate, incumbent }
  }

  /** The highest share in basis points that earlier entries of the same draw gave to the same tenants. */
  private async earlierShare(entry: Allocation, slice: Slice): Promise<number> {
    const { environment, task, salt, seq } = entry
    const target = JSON.stringify(slice.to)
    const earlier = await this.allocations()
      .find({ environment, task, seq: { $lt: seq }, salt })
      .sort({ seq: -1 })
      .limit(maxEntries)
      .toArray()
    const shares = earlier.flatMap(({ exposure }) =>
      exposure.filter((other) => other.by === 'tenant' && JSON.stringify(other.to) === target),
    )
    return Math.max(0, ...shares.map(({ basisPoints }) => basisPoints))
  }

  private async entriesOf({ environment, task, releaseId, seqs }: EntrySelection): Promise<Allocation[]> {
    const filter = {
      environment,
      task,
      ...(releaseId === undefined ? {} : { releaseId }),
      ...(seqs === undefined ? {} : { seq: { $in: [...seqs] } }),
    }
    const entries = await this.allocations().find(filter).limit(maxEntries).toArray()
    return entries.sort((left, right) => left.seq - right.seq)
  }

  private async totalsOf(
    { environment, task }: EntrySelection,
    entries: readonly Allocation[],
    part: 'tested' | 'gap',
  ): Promise<Map<string, Totals>> {
    const sums = new Map<string, Totals>()
    const filter = { environment, task, seq: { $in: entries.map(({ seq }) => seq) } }
    for await (const row of this.strata().find(filter, withoutPictures).limit(maxStrata)) {
      const key = armKey(row.seq, row.slice, row.arm)
      sums.set(key, sumTotals(sums.get(key) ?? {}, row[part] ?? {}))
    }
    return sums
  }

  /** What a composite did since `backMs` ago, summed by the database: a tick costs the same whatever the window. */
  private async sumSince(filter: Record<string, string>, backMs: number): Promise<SeriesSum> {
    const now = await this.database.now()
    const from = new Date(now - Math.min(backMs, seriesRetentionSeconds * 1_000))
    const sums = Object.fromEntries(seriesFields.map((field) => [field, { $sum: `$${field}` }]))
    const pipeline = [{ $match: { ...filter, at: { $gte: from } } }, { $group: { _id: null, ...sums } }]
    const [sum] = await this.database.collection<SeriesDocument>('series').aggregate<SeriesSum>(pipeline).toArray()
    return sum ?? { requests: 0, errors: 0, schemaFailures: 0, costNano: 0 }
  }

  private strata() {
    return this.database.collection<StratumDocument>('strata')
  }

  private allocations() {
    return this.database.collection<Allocation & { _id: string }>('allocations')
  }
}

const armKey = (seq: number, slice: number, arm: Arm): string => `${seq}/${slice}/${arm}`

const bothOf = (row: StratumDocument): Totals => sumTotals(row.tested ?? {}, row.gap ?? {})

function conversationStratum(
  entry: Allocation,
  index: number,
  totals: ReadonlyMap<string, Totals>,
): StratumStats | undefined {
  const { environment, task, seq } = entry
  const share = (entry.exposure[index]?.basisPoints ?? 0) / 10_000
  if (share <= 0 || share >= 1) return undefined
  const arm = (name: Arm) => armStatsOf(totals.get(armKey(seq, index, name)) ?? {})
  return {
    environment,
    task,
    seq,
    slice: index,
    share,
    by: 'conversation',
    ...(entry.outputs === undefined ? {} : { outputs: entry.outputs }),
    candidate: arm('candidate'),
    incumbent: arm('incumbent'),
  }
}

/** Nearest rank. */
function percentile95(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right)
  return sorted[Math.ceil(sorted.length * 0.95) - 1] ?? 0
}
