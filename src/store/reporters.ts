import { laneId } from '../domain/allocation'
import type { LateEntry, TelemetryBatch } from '../domain/telemetry'
import { SluiceError } from '../errors'
import { Attendance, heardWithinMs } from './attendance'
import type { CollectionSpec, Database } from './database'

interface ReporterDocument {
  _id: string
  environment: string
  /** The API key that the reporter used first; no other key may speak for it. */
  principal: string
  appliedHeads: Record<string, number>
  dropped: number
  refused: number
  late: LateEntry[]
  seenAt: Date
}

/**
 * `recent`: somebody reported within the last hour, and nobody does any more. `long`: nobody did within the hour, or ever; that is
 * silence where there was traffic to tell of.
 */
export type Silence = 'none' | 'recent' | 'long'

/** An application process that reports, and whether it serves by the newest entries. */
export interface Reporter {
  readonly reporter: string
  readonly environment: string
  readonly principal: string
  readonly seenAt: number
  /** It reported within the last minute. */
  readonly active: boolean
  readonly appliedHeads: Readonly<Record<string, number>>
  /** Lanes whose head it does not serve by yet. */
  readonly behind: readonly { readonly task: string; readonly applied: number; readonly head: number }[]
  readonly dropped: number
  readonly refused: number
  /** The last entries that it heard of too late. */
  readonly late: readonly LateEntry[]
}

const retentionSeconds = 24 * 3_600
const activeMs = 60_000
const recentMs = 3_600_000
const maxLate = 50
const maxReporters = 10_000
const maxOwners = 10_000

export const reporterCollections: readonly CollectionSpec[] = [
  {
    name: 'reporters',
    indexes: [{ key: { environment: 1, seenAt: -1 } }, { key: { seenAt: 1 }, expireAfterSeconds: retentionSeconds }],
  },
]

/** Who reports: "no reports" is not "no traffic". */
export class Reporters {
  private readonly owners = new Map<string, string>()
  /** Lanes that there are, by id; a lane never goes. */
  private readonly lanes = new Set<string>()
  private readonly database: Database
  private readonly attendance: Attendance

  constructor(database: Database) {
    this.database = database
    this.attendance = new Attendance(database)
  }

  /** Throws `invalid_telemetry` where the reporter belongs to another key. */
  async assertOwned(reporter: string, principal: string): Promise<void> {
    const owner = this.owners.get(reporter) ?? (await this.reporters().findOne({ _id: reporter }))?.principal
    if (owner === undefined) return
    if (owner !== principal) {
      throw new SluiceError('invalid_telemetry', `The reporter ${reporter} belongs to another API key.`)
    }
    if (this.owners.size >= maxOwners) this.owners.clear()
    this.owners.set(reporter, owner)
  }

  /** The reporter lives, and serves by these entries; idempotent. */
  async saw(batch: TelemetryBatch, principal: string): Promise<void> {
    const { reporter, environment, dropped } = batch
    const appliedHeads = await this.headsOfLanes(batch)
    await this.reporters().updateOne(
      { _id: reporter },
      {
        $setOnInsert: { principal, refused: 0, late: [] },
        $set: { environment, appliedHeads, dropped },
        $currentDate: { seenAt: true },
      },
      { upsert: true },
    )
  }

  /** Adds what one batch told: once a batch. */
  async count(
    reporter: string,
    { refused, late }: Pick<ReporterDocument, 'refused'> & Pick<TelemetryBatch, 'late'>,
  ): Promise<void> {
    if (refused === 0 && late.length === 0) return
    const update = { $inc: { refused }, $push: { late: { $each: [...late], $slice: -maxLate } } }
    await this.reporters().updateOne({ _id: reporter }, update)
  }

  /** Reporters of the last day, the most recent first. */
  async list(environment: string): Promise<Reporter[]> {
    const now = await this.database.now()
    const heads = await this.database
      .collection<{ task: string; headSeq: number }>('lanes')
      .find({ environment }, { projection: { task: 1, headSeq: 1 } })
      .limit(maxReporters)
      .toArray()
    const rows = await this.reporters().find({ environment }).sort({ seenAt: -1 }).limit(maxReporters).toArray()
    return rows.map(({ _id, ...row }) => ({
      ...row,
      reporter: _id,
      seenAt: row.seenAt.getTime(),
      active: now - row.seenAt.getTime() < activeMs,
      behind: heads.flatMap(({ task, headSeq }) => {
        const applied = row.appliedHeads[task] ?? 0
        return applied < headSeq ? [{ task, applied, head: headSeq }] : []
      }),
    }))
  }

  /**
   * Whether applications have stopped to report, though there was somebody to report to: they do so every ten seconds, busy or
   * not. Silence may ask for a rollback; nobody's absence but the applications' may.
   */
  async silence(environment: string): Promise<Silence> {
    const now = await this.database.now()
    const since = (ms: number) => ({ environment, seenAt: { $gt: new Date(now - ms) } })
    const wasHeard = async (ms: number) =>
      (await this.reporters().findOne(since(ms), { projection: { _id: 1 } })) !== null
    if (await wasHeard(activeMs)) return 'none'
    if ((await this.attendance.ms()) < heardWithinMs) return 'none'
    return (await wasHeard(recentMs)) ? 'recent' : 'long'
  }

  /** Without the lanes that nobody has: whoever looks at all reporters has their heads in memory at once. */
  private async headsOfLanes({ environment, appliedHeads }: TelemetryBatch): Promise<Record<string, number>> {
    const told = Object.entries(appliedHeads).filter(([, seq]) => seq > 0)
    const unknown = told.map(([task]) => laneId(environment, task)).filter((id) => !this.lanes.has(id))
    if (unknown.length > 0) {
      const lanes = this.database.collection<{ _id: string }>('lanes')
      const found = lanes.find({ _id: { $in: unknown } }, { projection: { _id: 1 } })
      for await (const { _id } of found) this.lanes.add(_id)
    }
    return Object.fromEntries(told.filter(([task]) => this.lanes.has(laneId(environment, task))))
  }

  private reporters() {
    return this.database.collection<ReporterDocument>('reporters')
  }
}
