import { MongoServerError } from 'mongodb'
import { ulid } from 'ulid'
import type { RescoreItem, RescoreOutcome, RescorePlan, RescoreState, RescoreTally } from '../domain/rescore'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import type { CollectionSpec, Database } from './database'
import { maxPage } from './list-page'

/** One run over the composites of a task on one suite. */
export interface Rescore extends RescoreTally {
  readonly id: string
  readonly task: string
  readonly suite: Digest
  readonly policy: Digest
  readonly by: string
  readonly state: RescoreState
  readonly startedAt: number
  readonly endedAt?: number
}

export interface RescoredItem extends RescoreItem {
  readonly index: number
  /** The evaluation that scores it. */
  readonly evaluationId: string
  /** Absent while it is open. */
  readonly outcome?: RescoreOutcome
}

export interface Rescores {
  /** Keeps a plan as a run; the one that already runs for this task and suite is given back instead. */
  open(plan: RescorePlan, by: string): Promise<Rescore>
  /** Throws not_found. */
  get(id: string): Promise<Rescore>
  /** The newest first; `after` is the id of the last one of the page before. */
  list(filter: {
    readonly task?: string
    readonly after?: string
    readonly limit?: number
  }): Promise<readonly Rescore[]>
  /** In the order of the plan. */
  items(id: string): Promise<readonly RescoredItem[]>
  /** Throws not_found. */
  item(id: string, index: number): Promise<RescoredItem>
  /** Keeps the first outcome of an item. */
  settle(id: string, index: number, outcome: RescoreOutcome): Promise<void>
  close(id: string, state: Exclude<RescoreState, 'running'>): Promise<void>
}

type RescoreDocument = Omit<Rescore, 'id' | keyof RescoreTally> & { readonly _id: string; readonly of: number }
type ItemDocument = Omit<RescoredItem, 'outcome'> & {
  readonly _id: string
  readonly rescore: string
  readonly outcome?: RescoreOutcome
}

export const rescoreCollections: readonly CollectionSpec[] = [
  {
    name: 'rescores',
    indexes: [
      { key: { task: 1, _id: -1 } },
      // One run a task and suite: whoever asks again is given that one.
      { key: { task: 1, suite: 1 }, unique: true, partial: { state: 'running' } },
    ],
  },
  { name: 'rescore_items', indexes: [{ key: { rescore: 1, index: 1 }, unique: true }] },
]

const duplicateKey = 11_000
const itemId = (rescore: string, index: number): string => `${rescore}/${index}`

export function createRescores(database: Database): Rescores {
  const runs = database.collection<RescoreDocument>('rescores')
  const items = database.collection<ItemDocument>('rescore_items')

  const tallied = async ({ _id, of, ...rest }: RescoreDocument): Promise<Rescore> => {
    const done = await items.countDocuments({ rescore: _id, outcome: { $exists: true } })
    const failed = await items.countDocuments({ rescore: _id, 'outcome.kind': 'failed' })
    return { id: _id, ...rest, done, failed, of }
  }
  const running = async ({ task, suite }: RescorePlan): Promise<Rescore | undefined> => {
    const found = await runs.findOne({ task, suite, state: 'running' })
    return found ? tallied(found) : undefined
  }
  const insert = async (plan: RescorePlan, by: string): Promise<Rescore> => {
    const startedAt = await database.now()
    const _id = ulid(startedAt)
    const { task, suite, policy } = plan
    const run: RescoreDocument = { _id, task, suite, policy, by, state: 'running', startedAt, of: plan.items.length }
    const documents = plan.items.map((item, index): ItemDocument => {
      return { _id: itemId(_id, index), rescore: _id, index, evaluationId: `${_id}-${index}`, ...item }
    })
    await database.transact(async (session) => {
      await runs.insertOne(run, { session })
      if (documents.length > 0) await items.insertMany(documents, { session })
    })
    return tallied(run)
  }

  return {
    async open(plan, by) {
      const known = await running(plan)
      if (known) return known
      try {
        return await insert(plan, by)
      } catch (error) {
        const raced = error instanceof MongoServerError && error.code === duplicateKey ? await running(plan) : undefined
        if (raced) return raced
        throw error
      }
    },
    async get(id) {
      return tallied((await runs.findOne({ _id: id })) ?? raiseMissing(id))
    },
    async list({ task, after, limit = maxPage }) {
      const filter = {
        ...(task === undefined ? {} : { task }),
        ...(after === undefined ? {} : { _id: { $lt: after } }),
      }
      const page = runs.find(filter).sort({ _id: -1 }).limit(Math.min(limit, maxPage))
      return Promise.all((await page.toArray()).map(tallied))
    },
    async items(id) {
      const found = await items.find({ rescore: id }).sort({ index: 1 }).toArray()
      return found.map(itemOf)
    },
    async item(id, index) {
      return itemOf((await items.findOne({ _id: itemId(id, index) })) ?? raiseMissing(itemId(id, index)))
    },
    async settle(id, index, outcome) {
      await items.updateOne({ _id: itemId(id, index), outcome: { $exists: false } }, { $set: { outcome } })
    },
    async close(id, state) {
      const endedAt = await database.now()
      await runs.updateOne({ _id: id, state: 'running' }, { $set: { state, endedAt } })
    },
  }
}

const itemOf = ({ _id, rescore: _rescore, ...item }: ItemDocument): RescoredItem => item

function raiseMissing(id: string): never {
  throw new SluiceError('not_found', `There is no rescore ${id}.`, { id })
}
