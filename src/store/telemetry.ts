import type { Allocation } from '../domain/allocation'
import { candidateOf } from '../domain/branch'
import type { RequestRecord, StratumKey, TelemetryBatch, TelemetryRefusal } from '../domain/telemetry'
import { outputFault } from '../domain/telemetry-outputs'
import type { CollectionSpec, Database } from './database'
import { evidenceRecordCollections } from './evidence-changes'
import { EvidenceReader } from './evidence-reader'
import { Issued } from './issued'
import { joinOutcomes } from './outcome-join'
import type { PairReport, Providers } from './providers'
import { Reporters, reporterCollections } from './reporters'
import { RequestLog, requestLogCollections } from './request-log'
import { RequestRetention } from './request-retention'
import { StoreClock } from './store-clock'
import { telemetryCollections as documents, seriesRetentionSeconds } from './telemetry-documents'
import { TelemetryReader } from './telemetry-reader'
import { type OutcomeWork, type TelemetryTimes, TelemetryWriter, type UnitWork } from './telemetry-writer'
import type { TenantDraw } from './tenant-changes'
import { TenantShares } from './tenant-shares'

export const telemetryCollections: readonly CollectionSpec[] = [
  ...documents,
  ...evidenceRecordCollections,
  ...reporterCollections,
  ...requestLogCollections,
]

export const defaultTelemetryTimes: TelemetryTimes = { sealGraceMs: 2_000, idleMs: 10 * 60_000 }

export interface Ingested {
  readonly units: number
  readonly requests: number
  /** One of them may stand for many units. */
  readonly refused: readonly TelemetryRefusal[]
  readonly refusedCount: number
}

/** Live traffic as it is reported: totals by stratum, the request log, who reports. */
export interface Telemetry {
  /**
   * Takes a batch whose values are checked; idempotent. What names a stratum that was never issued is refused, the
   * rest is taken. Throws `invalid_telemetry` where the reporter belongs to another key, `rate_limited` when full.
   */
  ingest(batch: TelemetryBatch, principal: string, refusedBefore?: number): Promise<Ingested>
  /** Seals units that are due, oldest first; returns how many. Call it every second in every server. */
  seal(limit?: number): Promise<number>
  /** Joins values of custom metrics with their conversations, as `seal`. */
  join(limit?: number): Promise<number>
  /** Joins what judges scored; answers those whose unit is not known. */
  joinScores(works: readonly OutcomeWork[]): Promise<readonly OutcomeWork[]>
  readonly read: TelemetryReader
  /** Who told what, which tenants are hurt, and what is full. */
  readonly evidence: EvidenceReader
  readonly reporters: Reporters
  readonly requests: RequestLog
}

const sealBatch = 500
const joinBatch = 200
/** Applications correct their clock by the server's: more than this ahead is no request that was served. */
const maxAheadMs = 60_000

export function createTelemetry(
  database: Database,
  providers: Providers,
  times: TelemetryTimes = defaultTelemetryTimes,
): Telemetry {
  const issued = new Issued(database)
  const shares = new TenantShares(database)
  const writer = new TelemetryWriter(database, times)
  const reporters = new Reporters(database)
  const requests = new RequestLog(database)
  const retention = new RequestRetention(database)
  const clock = new StoreClock(database)

  async function ingest(batch: TelemetryBatch, principal: string, refusedBefore = 0): Promise<Ingested> {
    await reporters.assertOwned(batch.reporter, principal)
    const { works, refused } = await checkStrata({ issued, shares }, batch, principal)
    const { environment, reporter } = batch
    const now = await clock.now()
    const receivedAt = new Date(now)
    const checked = await checkRequests(issued, batch, now + maxAheadMs)
    const keptMs = await retention.of(checked.taken)
    refused.push(...checked.refused)
    const sources = [`reporter/${reporter}`, `key/${principal}`]
    // Each is idempotent and durable once it answers, and none needs another: a part that fails is all sent again.
    const [full] = await Promise.all([
      writer.write(works),
      requests.append({ environment, reporter, requests: checked.taken, receivedAt, keptMs }),
      providers.reported(checked.taken.filter(tellsPair).map(reportedPair), principal),
      requests.appendOutcomes(environment, batch.lateOutcomes, { receivedAt, sources }),
      reporters.saw(batch, principal),
    ])
    const refusedCount = refused.length + full
    if (full > 0) refused.push(refusal('/strata', `${full} units are reported by too many reporters`))
    // Counts add up, and a batch that fails is sent again: so they come once all the rest is taken.
    await reporters.count(reporter, { refused: refusedBefore + refusedCount, late: batch.late })
    return { units: works.length - full, requests: checked.taken.length, refused, refusedCount }
  }

  return {
    ingest,
    seal: (limit = sealBatch) => writer.seal(limit),
    join: (limit = joinBatch) => joinOutcomes({ database, issued, requests, writer }, limit),
    joinScores: (works) => writer.join(works),
    read: new TelemetryReader(database, { requests, shares }),
    evidence: new EvidenceReader(database),
    reporters,
    requests,
  }
}

const tellsPair = ({ model, fingerprint }: RequestRecord): boolean => model !== undefined || fingerprint !== undefined

/** With a router, the candidate that answered is the provider. */
function reportedPair({ branch, ...request }: RequestRecord): PairReport {
  const candidate = branch === undefined ? undefined : candidateOf(branch)
  return candidate === undefined ? request : { ...request, candidate }
}

interface Checked {
  readonly works: UnitWork[]
  readonly refused: TelemetryRefusal[]
}

interface Ledgers {
  readonly issued: Issued
  readonly shares: TenantShares
}

async function checkStrata({ issued, shares }: Ledgers, batch: TelemetryBatch, principal: string): Promise<Checked> {
  const works: UnitWork[] = []
  const refused: TelemetryRefusal[] = []
  for (const [index, stratum] of batch.strata.entries()) {
    const { units, ...rest } = stratum
    const key: StratumKey = { environment: batch.environment, ...rest }
    const entry = await issued.entryOf(key)
    if (typeof entry === 'string') {
      refused.push(refusal(`/strata/${index}`, `The stratum was never issued: ${entry}`))
      continue
    }
    const about = workOf(key, entry, await shares.drawOf(entry, key.slice))
    const { coversMs = 0 } = batch
    for (const [row, report] of units.entries()) {
      const fault = report.outputs && outputFault(entry.outputs, report.outputs)
      if (fault === undefined)
        works.push({ ...about, reporter: batch.reporter, principal, report, agoMs: agoMs(report.unit, coversMs) })
      else refused.push(refusal(`/strata/${index}/units/${row}`, `The unit is refused: ${fault}`))
    }
  }
  return { works, refused }
}

const momentMs = 5_000

/**
 * When a unit that was told late was served, for the windows of breakers and budgets: minutes of an outage that all arrive at once
 * are no burst. A number of the unit spreads a batch evenly over the time that it covers, both arms alike.
 */
function agoMs(unit: string, coversMs: number): number {
  const latest = Math.min(coversMs, seriesRetentionSeconds * 1_000)
  return momentMs * Math.floor(((Number.parseInt(unit.slice(0, 8), 16) / 2 ** 32) * latest) / momentMs)
}

/** What the entry of a stratum says about the units in it. */
function workOf(
  key: StratumKey,
  entry: Allocation,
  draw: TenantDraw | undefined,
): Pick<UnitWork, 'key' | 'draw' | 'tenantRecord'> {
  const slice = entry.exposure[key.slice]
  const { releaseId, tenantSpend = false } = entry
  const compared = slice?.by === 'conversation' && slice.basisPoints > 0 && slice.basisPoints < 10_000
  const kept = releaseId !== undefined && key.arm !== 'none' && (compared || tenantSpend)
  return {
    key,
    ...(draw === undefined ? {} : { draw }),
    ...(kept ? { tenantRecord: { releaseId, events: compared, spend: tenantSpend && key.arm === 'candidate' } } : {}),
  }
}

/** `latest`: the log is read newest first, so one record of next year would stand for the newest for a year. */
async function checkRequests(issued: Issued, { environment, requests }: TelemetryBatch, latest: number) {
  const taken: RequestRecord[] = []
  const refused: TelemetryRefusal[] = []
  // Neighbours mostly lie in the same stratum.
  let last: { readonly record: RequestRecord; readonly entry: Allocation | string } | undefined
  for (const [index, record] of requests.entries()) {
    const { task, seq, slice, arm, composite } = record
    if (record.at > latest) {
      refused.push(refusal(`/requests/${index}`, 'The request lies in the future. Check the clock of the application.'))
      continue
    }
    const known = last !== undefined && sameStratum(last.record, record) ? last.entry : undefined
    const entry = known ?? (await issued.entryOf({ environment, task, seq, slice, arm, composite }))
    last = { record, entry }
    if (typeof entry !== 'string') taken.push(record)
    else refused.push(refusal(`/requests/${index}`, `The stratum was never issued: ${entry}`))
  }
  return { taken, refused }
}

const sameStratum = (left: RequestRecord, right: RequestRecord): boolean =>
  left.seq === right.seq &&
  left.slice === right.slice &&
  left.arm === right.arm &&
  left.task === right.task &&
  left.composite === right.composite

const refusal = (path: string, message: string): TelemetryRefusal => ({ path, code: 'invalid_telemetry', message })
