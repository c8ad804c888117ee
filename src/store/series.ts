import type { Document } from 'mongodb'
import type { Digest } from '../domain/version'
import type { Database } from './database'
import { StoreClock } from './store-clock'
import { type SeriesDocument, type SeriesSum, seriesFields, seriesRetentionSeconds } from './telemetry-documents'

/** What one composite did, in one lane or in all. */
export interface SeriesQuestion {
  readonly composite: Digest
  readonly environment?: string
  readonly task?: string
  /** How far back each sum goes, up to two hours. */
  readonly windowsMs: readonly number[]
}

const minuteMs = 60_000
/** How far the clock by which documents are looked up may lag: the sums themselves go by the store's own. */
const slackMs = 2 * minuteMs

/** Sums over the last moments, by the store's clock and in whole seconds. */
export class Series {
  private readonly database: Database
  private readonly clock: StoreClock

  constructor(database: Database) {
    this.database = database
    this.clock = new StoreClock(database)
  }

  /** One sum for each window. The database adds up at most a document a minute, however much happened in it. */
  async sums({ windowsMs, ...of }: SeriesQuestion): Promise<readonly SeriesSum[]> {
    if (windowsMs.length === 0) return []
    const backs = windowsMs.map((windowMs) => Math.min(windowMs, seriesRetentionSeconds * 1_000))
    const since = new Date((await this.clock.now()) - Math.max(...backs) - slackMs)
    const filter = Object.fromEntries(Object.entries(of).filter(([, value]) => value !== undefined))
    const sums = backs.flatMap((back, index) =>
      seriesFields.map((field) => [`${field}${index}`, { $sum: withinWindow(field, back) }] as const),
    )
    const pipeline = [
      { $match: { ...filter, at: { $gte: since } } },
      { $group: { _id: null, ...Object.fromEntries(sums) } },
    ]
    const rows = this.database.collection<SeriesDocument>('series').aggregate<Record<string, number>>(pipeline)
    const [found] = await rows.toArray()
    return backs.map(
      (_, index) =>
        Object.fromEntries(seriesFields.map((field) => [field, found?.[`${field}${index}`] ?? 0])) as SeriesSum,
    )
  }
}

/** The whole of a document that lies in the window; of the one that the window begins in, the seconds that do. */
function withinWindow(field: string, backMs: number): Document {
  const from = { $subtract: ['$$NOW', backMs] }
  const seconds = {
    $filter: {
      input: { $objectToArray: { $ifNull: ['$seconds', {}] } },
      cond: { $gte: [{ $add: ['$at', { $multiply: [{ $toInt: '$$this.k' }, 1_000] }] }, from] },
    },
  }
  const partly = { $sum: { $map: { input: seconds, in: `$$this.v.${field}` } } }
  const begins = { $gt: ['$at', { $subtract: [from, minuteMs] }] }
  return { $cond: [{ $gte: ['$at', from] }, `$${field}`, { $cond: [begins, partly, 0] }] }
}
