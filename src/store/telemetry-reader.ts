import type { Filter } from 'mongodb'
import { type Allocation, type FrozenThresholds, laneId } from '../domain/allocation'
import { type ArmPercentiles, percentilesIn } from '../domain/percentiles'
import type { Arm, ArmStats, BreakerWindow, StratumStats } from '../domain/telemetry'
import { armStatsOf, type Pictures, sumTotals, type Totals } from '../domain/telemetry-fold'
import type { Digest } from '../domain/version'
import { mergeSketches } from '../stats/quantile-sketch'
import { batchedReads } from './batched-reads'
import type { Database } from './database'
import type { LoggedRequest, LogSelection, RequestLog } from './request-log'
import { Series } from './series'
import type { SeriesSum, StratumDocument } from './telemetry-documents'
import { shareAmongNew, type TenantShares } from './tenant-shares'

/** Entries of one lane: those of a release, or named ones. */
export interface EntrySelection {
  readonly environment: string
  readonly task: string
  readonly releaseId?: string
  readonly seqs?: readonly number[]
}

export interface ReleaseEntries {
  readonly environment: string
  readonly task: string
  readonly releaseId: string
  /** The lane's head: entries that were read at this head are not read again. */
  readonly headSeq: number
}

/** What a tick reads of the totals. */
export interface FiguresQuestion extends ReleaseEntries {
  readonly candidate: Digest
  /** The entries of the step in force, some of which may be of nobody's release. */
  readonly step: readonly number[]
}

export interface Figures {
  readonly strata: readonly StratumStats[]
  readonly totals: CompositeTotals
  readonly stepUnits: ArmUnits
}

export interface ArmUnits {
  readonly candidate: number
  readonly incumbent: number
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
const maxCached = 1_000
const thresholdSample = 1_000
/** Live requests below which no limit is told. */
export const thresholdMinimum = 20

/** Every arm of these entries, and of what has none the rows of one composite. */
interface AskedRows extends LogSelection {
  readonly seqs: readonly number[]
}

/** The read side of telemetry: all answers are sums that writers keep exact, so a new reader needs no memory. */
export class TelemetryReader {
  readonly series: Series
  private readonly database: Database
  private readonly requests: RequestLog
  private readonly shares: TenantShares
  private readonly rows = batchedReads<readonly StratumDocument[]>((texts) => this.rowsOfLanes(texts))
  private readonly releases = new Map<string, { readonly headSeq: number; readonly entries: readonly Allocation[] }>()

  constructor(
    database: Database,
    { requests, shares }: { readonly requests: RequestLog; readonly shares: TenantShares },
  ) {
    this.database = database
    this.requests = requests
    this.shares = shares
    this.series = new Series(database)
  }

  /** All that a judgement needs of the totals, in one reading of them. */
  async figures(question: FiguresQuestion): Promise<Figures> {
    const { environment, task, candidate, step } = question
    const entries = await this.entriesOfRelease(question)
    const others = step.filter((seq) => entries.every((entry) => entry.seq !== seq))
    const steps =
      step.length === 0
        ? []
        : [
            ...entries.filter(({ seq }) => step.includes(seq)),
            ...(others.length === 0 ? [] : await this.entriesOf({ environment, task, seqs: others })),
          ]
    const own = new Set(entries.map(({ seq }) => seq))
    const rows = await this.rowsOf({ environment, task, composite: candidate }, [...entries, ...steps])
    return {
      strata: await this.strataFrom(entries, rows),
      totals: totalsFrom(
        candidate,
        rows.filter(({ seq }) => own.has(seq)),
      ),
      stepUnits: unitsFrom(steps, rows),
    }
  }

  /** The tested strata (0 < share < 1, candidate beside incumbent) of the selected entries, in seq order. */
  async strataOf(selection: EntrySelection): Promise<StratumStats[]> {
    const { environment, task } = selection
    const entries = await this.entriesOf(selection)
    return this.strataFrom(entries, await this.rowsOf({ environment, task }, entries))
  }

  /** Units by arm bound to the selected entries whatever the share; tenants where the slice is exposed by tenant. */
  async stepUnits(selection: EntrySelection): Promise<ArmUnits> {
    const { environment, task } = selection
    const entries = await this.entriesOf(selection)
    return unitsFrom(entries, await this.rowsOf({ environment, task }, entries))
  }

  /** Cumulative totals of one composite under the selected entries: all slices, any share, any arm, gaps included. */
  async compositeTotals(selection: EntrySelection & { readonly composite: Digest }): Promise<CompositeTotals> {
    return totalsFrom(selection.composite, await this.rowsOf(selection, await this.entriesOf(selection)))
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
    const [sum] = await this.series.sums({ environment, task, composite, windowsMs: [windowMs] })
    return breakerWindow(windowMs, sum, events)
  }

  /** USD as billed that the composite cost in the last `sinceMs`, in one lane or everywhere. */
  async spend({ sinceMs, ...of }: SpendQuestion): Promise<number> {
    const [sum] = await this.series.sums({ ...of, windowsMs: [sinceMs] })
    return (sum?.costNano ?? 0) / 1e9
  }

  /**
   * The 95th percentiles of the composite's last thousand live requests in the lane that were answered: the limits that
   * exceedance events of a release are counted against. What a filter refused cost and took nothing. Cost is the uncached
   * equivalent. Undefined below twenty requests.
   */
  async thresholds(environment: string, task: string, composite: Digest): Promise<FrozenThresholds | undefined> {
    const isAnswered = ({ outcome }: LoggedRequest) => outcome !== 'filtered'
    const rows = await this.requests.newest({ environment, task, composite }, thresholdSample, isAnswered)
    if (rows.length < thresholdMinimum) return undefined
    return {
      costUsd: percentile95(rows.map((row) => row.uncachedCostUsd)),
      latencyMs: percentile95(rows.map((row) => row.latencyMs)),
    }
  }

  private async strataFrom(entries: readonly Allocation[], rows: readonly StratumDocument[]): Promise<StratumStats[]> {
    const conversations = sumsOf(rows, 'tested')
    const tenants = sumsOf(rows, 'tenants')
    const strata: StratumStats[] = []
    for (const entry of entries) {
      if (entry.candidate === undefined || entry.incumbent === undefined) continue
      for (const [index, { by, basisPoints }] of entry.exposure.entries()) {
        const draw = await this.shares.drawOf(entry, index)
        // Tenants of a disable or enable count under the step that it repeats.
        if (draw !== undefined && draw.seq !== entry.seq) continue
        const share = draw === undefined ? basisPoints / 10_000 : shareAmongNew(basisPoints, draw.earlier)
        if (share === undefined || share <= 0 || share >= 1) continue
        strata.push(stratumFrom({ entry, index, share }, by === 'tenant' ? tenants : conversations))
      }
    }
    return strata
  }

  /** The entries of a release up to a head, in order; they are only ever added at the head. */
  async entriesOfRelease({ environment, task, releaseId, headSeq }: ReleaseEntries): Promise<readonly Allocation[]> {
    const id = `${environment}/${task}/${releaseId}`
    const known = this.releases.get(id)
    if (known?.headSeq === headSeq) return known.entries
    const entries = (await this.entriesOf({ environment, task, releaseId })).filter(({ seq }) => seq <= headSeq)
    if (this.releases.size >= maxCached) this.releases.clear()
    this.releases.set(id, { headSeq, entries })
    return entries
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

  private async rowsOf(
    { environment, task, composite }: LogSelection,
    entries: readonly Allocation[],
  ): Promise<readonly StratumDocument[]> {
    const seqs = [...new Set(entries.map(({ seq }) => seq))]
    const asked: AskedRows = { environment, task, seqs, ...(composite === undefined ? {} : { composite }) }
    return seqs.length === 0 ? [] : ((await this.rows.read(JSON.stringify(asked))) ?? [])
  }

  /** The rows of many lanes, each named by JSON, in one reading. */
  private async rowsOfLanes(texts: readonly string[]): Promise<ReadonlyMap<string, readonly StratumDocument[]>> {
    const lanes = texts.map((text) => ({ text, of: JSON.parse(text) as AskedRows }))
    const filters = lanes.flatMap(({ of }) => filtersOf(of))
    const rows = await this.strata().find({ $or: filters }, withoutPictures).limit(maxStrata).toArray()
    if (rows.length === maxStrata && texts.length > 1) {
      // No lane may lose rows to another one.
      const each: (readonly [string, readonly StratumDocument[]])[] = []
      for (const text of texts) each.push(...(await this.rowsOfLanes([text])))
      return new Map(each)
    }
    const found = new Map<string, StratumDocument[]>()
    for (const row of rows) {
      const known = found.get(laneId(row.environment, row.task))
      if (known) known.push(row)
      else found.set(laneId(row.environment, row.task), [row])
    }
    const ofLane = ({ environment, task, seqs, composite }: AskedRows) =>
      (found.get(laneId(environment, task)) ?? []).filter(
        (row) => seqs.includes(row.seq) && (row.arm !== 'none' || row.composite === composite),
      )
    return new Map(lanes.map(({ text, of }) => [text, ofLane(of)]))
  }

  private strata() {
    return this.database.collection<StratumDocument>('strata')
  }

  private allocations() {
    return this.database.collection<Allocation & { _id: string }>('allocations')
  }
}

/**
 * What has no arm lies in slice -1. Each tenant that overrides the task has a composite of its own there, under every
 * entry: thousands of rows that would leave no room for those that are compared.
 */
function filtersOf({ environment, task, seqs, composite }: AskedRows): Filter<StratumDocument>[] {
  const entries = { environment, task, seq: { $in: [...seqs] } }
  const armed = { ...entries, slice: { $gte: 0 } }
  return composite === undefined ? [armed] : [armed, { ...entries, slice: -1, arm: 'none', composite }]
}

const armKey = (seq: number, slice: number, arm: Arm): string => `${seq}/${slice}/${arm}`

const bothOf = (row: StratumDocument): Totals => sumTotals(row.tested ?? {}, row.gap ?? {})

function sumsOf(rows: readonly StratumDocument[], part: 'tested' | 'tenants'): ReadonlyMap<string, Totals> {
  const sums = new Map<string, Totals>()
  for (const row of rows) {
    const key = armKey(row.seq, row.slice, row.arm)
    sums.set(key, sumTotals(sums.get(key) ?? {}, row[part] ?? {}))
  }
  return sums
}

function totalsFrom(composite: Digest, rows: readonly StratumDocument[]): CompositeTotals {
  const own = rows.filter((row) => row.composite === composite)
  return { composite, ...armStatsOf(own.reduce((sum, row) => sumTotals(sum, bothOf(row)), {} as Totals)) }
}

function unitsFrom(entries: readonly Allocation[], rows: readonly StratumDocument[]): ArmUnits {
  const by = new Map(entries.map(({ seq, exposure }) => [seq, exposure]))
  const units = { candidate: 0, incumbent: 0 }
  for (const { seq, slice, arm, tested, tenantUnits = 0 } of rows) {
    const exposed = by.get(seq)?.[slice]
    if (exposed === undefined || arm === 'none') continue
    units[arm] += exposed.by === 'tenant' ? tenantUnits : (tested?.units ?? 0)
  }
  return units
}

/** What an error breaker looks at, of the sums of its window. */
export function breakerWindow(
  windowMs: number,
  sum: SeriesSum | undefined,
  events: NonNullable<WindowQuestion['events']>,
): BreakerWindow {
  const { requests = 0, errors = 0, schemaFailures = 0, costNano = 0 } = sum ?? {}
  const counted = (events.includes('error') ? errors : 0) + (events.includes('schema_failure') ? schemaFailures : 0)
  return { windowMs, requests, errors: counted, costUsd: costNano / 1e9 }
}

function stratumFrom(
  { entry, index, share }: { readonly entry: Allocation; readonly index: number; readonly share: number },
  totals: ReadonlyMap<string, Totals>,
): StratumStats {
  const { environment, task, seq, outputs } = entry
  const by = entry.exposure[index]?.by ?? 'conversation'
  const arm = (name: Arm) => armStatsOf(totals.get(armKey(seq, index, name)) ?? {})
  const watched = by === 'tenant' || outputs === undefined ? {} : { outputs }
  const arms = { candidate: arm('candidate'), incumbent: arm('incumbent') }
  return { environment, task, seq, slice: index, share, by, ...watched, ...arms }
}

/** Nearest rank. */
function percentile95(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right)
  return sorted[Math.ceil(sorted.length * 0.95) - 1] ?? 0
}
