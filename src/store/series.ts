import type { Document } from 'mongodb'
import type { Digest } from '../domain/version'
import { batchedReads } from './batched-reads'
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
  private readonly reads = batchedReads<readonly SeriesSum[]>((texts) => this.sumsOf(texts))

  constructor(database: Database) {
    this.database = database
    this.clock = new StoreClock(database)
  }

  /** One sum for each window. The database adds up at most a document a minute, however much happened in it. */
  async sums({ windowsMs, ...of }: SeriesQuestion): Promise<readonly SeriesSum[]> {
    if (windowsMs.length === 0) return []
    const backs = windowsMs.map((windowMs) => Math.min(windowMs, seriesRetentionSeconds * 1_000))
    const asked: Asked = { backs, of }
    return (await this.reads.read(JSON.stringify(asked))) ?? []
  }

  /** Questions of many, as JSON: one reading for all that look back equally far. */
  private async sumsOf(texts: readonly string[]): Promise<ReadonlyMap<string, readonly SeriesSum[]>> {
    const questions = texts.map((text) => ({ text, asked: JSON.parse(text) as Asked }))
    const alike = new Map<string, typeof questions>()
    for (const question of questions) {
      const key = question.asked.backs.join()
      alike.set(key, [...(alike.get(key) ?? []), question])
    }
    const sums = [...alike.values()].map(async (group) => {
      const { backs } = (group[0] as (typeof group)[number]).asked
      const rows = await this.rowsOf(
        backs,
        group.map(({ asked }) => asked.of.composite),
      )
      return group.map(({ text, asked }) => [text, sumsIn(rows, asked)] as const)
    })
    return new Map((await Promise.all(sums)).flat())
  }

  private async rowsOf(backs: readonly number[], composites: readonly Digest[]): Promise<readonly SumsOfLane[]> {
    const since = new Date((await this.clock.now()) - Math.max(...backs) - slackMs)
    const sums = backs.flatMap((back, index) =>
      seriesFields.map((field) => [`${field}${index}`, { $sum: withinWindow(field, back) }] as const),
    )
    const lane = { composite: '$composite', environment: '$environment', task: '$task' }
    const pipeline = [
      { $match: { composite: { $in: [...new Set(composites)] }, at: { $gte: since } } },
      { $group: { _id: lane, ...Object.fromEntries(sums) } },
    ]
    return this.database.collection<SeriesDocument>('series').aggregate<SumsOfLane>(pipeline).toArray()
  }
}

/** What the sums of one composite are asked for; JSON leaves out what is undefined. */
interface Asked {
  readonly backs: readonly number[]
  readonly of: Omit<SeriesQuestion, 'windowsMs'>
}

type SumsOfLane = Readonly<Record<string, number>> & { readonly _id: Required<Asked['of']> } & Document

/** A question without a lane is about all of them. */
function sumsIn(rows: readonly SumsOfLane[], { backs, of }: Asked): readonly SeriesSum[] {
  const own = rows.filter(
    ({ _id: { composite, environment, task } }) =>
      composite === of.composite && environment === (of.environment ?? environment) && task === (of.task ?? task),
  )
  const sum = (name: string): number => own.reduce((total, row) => total + (row[name] ?? 0), 0)
  return backs.map(
    (_, index) => Object.fromEntries(seriesFields.map((field) => [field, sum(`${field}${index}`)])) as SeriesSum,
  )
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
