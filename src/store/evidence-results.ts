import { MongoServerError } from 'mongodb'
import type { Cost, TokenUsage } from '../domain/pricing'
import type { Digest } from '../domain/version'
import type { CollectionSpec, Database } from './database'
import type { Providers } from './providers'

export interface ResultSet {
  readonly composite: Digest
  readonly suite: Digest
}

export interface ResultKey extends ResultSet {
  readonly caseId: string
  readonly repeat: number
}

/** What one call gave, raw: scores are computed when they are needed, so a changed scorer costs no call. */
export interface RawResult extends TokenUsage, Cost {
  readonly text: string
  readonly truncated: boolean
  readonly latencyMs: number
  readonly seed?: number
  /** Digest of messages and seed: the same call in another suite is not made again. */
  readonly call: Digest
  readonly model?: string
  readonly fingerprint?: string
  /** Milliseconds since the epoch. */
  readonly measuredAt: number
  /** The evaluation that paid for it. */
  readonly evaluationId: string
}

export interface StoredResult extends ResultKey {
  readonly result: RawResult
}

/**
 * Raw results by (composite, suite, case, repeat). A stored result is never paid again nor changed. Results of before a
 * provider change are kept, and are no results any more: what is asked for here is of the composite's current epoch.
 */
export interface ResultStore {
  /** Every stored result of a composite on a suite. */
  all(set: ResultSet): Promise<readonly StoredResult[]>
  /** Counts a call before it is made, so that one lost to a crash is known. */
  begin(key: ResultKey): Promise<void>
  /** Keeps the first result of its key; false where there was one already. */
  put(key: ResultKey, result: RawResult): Promise<boolean>
  /** What a composite answered in any suite, by the digest of the call: a changed scorer costs no call. */
  byCall(composite: Digest): Promise<ReadonlyMap<Digest, RawResult>>
  /** Takes over a result that was paid for under another suite. */
  adopt(key: ResultKey, result: RawResult): Promise<void>
  /** Calls begun that left no result: failed ones and those in flight at a crash. */
  lostCalls(set: ResultSet): Promise<number>
  /** What an evaluation has paid so far, over all its runs. */
  spentUsd(evaluationId: string): Promise<number>
}

interface ResultDocument extends ResultKey {
  readonly _id: string
  /** Absent: the first, before any provider change. */
  readonly epoch?: number
  readonly calls: number
  readonly result?: RawResult
  /** The result was made under another suite, where its call and its cost are counted. */
  readonly adopted?: true
}

export const resultCollections: readonly CollectionSpec[] = [
  {
    name: 'eval_results',
    indexes: [{ key: { composite: 1, suite: 1 } }, { key: { 'result.evaluationId': 1 } }],
  },
]

function idOf({ composite, suite, caseId, repeat }: ResultKey, epoch: number): string {
  const place = `${composite}/${suite}/${repeat}/${caseId}`
  return epoch === 0 ? place : `${epoch}/${place}`
}

const duplicateKey = 11_000

/** Another run was first: its result stands. */
function ignoreDuplicate(error: unknown): void {
  if (!(error instanceof MongoServerError && error.code === duplicateKey)) throw error
}

export function createResultStore(database: Database, providers: Providers): ResultStore {
  const documents = database.collection<ResultDocument>('eval_results')
  const epochOf = async (composite: Digest): Promise<number> =>
    (await providers.epochs([composite])).get(composite) ?? 0
  const current = async (composite: Digest) => {
    const epoch = await epochOf(composite)
    return { composite, epoch: epoch === 0 ? { $exists: false } : epoch }
  }
  const stamped = (epoch: number) => (epoch === 0 ? {} : { epoch })
  return {
    async all({ composite, suite }) {
      const found = await documents.find({ ...(await current(composite)), suite, result: { $exists: true } }).toArray()
      return found.flatMap(({ composite, suite, caseId, repeat, result }) =>
        result ? [{ composite, suite, caseId, repeat, result }] : [],
      )
    },
    async begin(key) {
      const epoch = await epochOf(key.composite)
      const first = { $setOnInsert: { ...key, ...stamped(epoch) } }
      await documents.updateOne({ _id: idOf(key, epoch) }, { $inc: { calls: 1 }, ...first }, { upsert: true })
    },
    async put(key, result) {
      const _id = idOf(key, await epochOf(key.composite))
      const written = await documents.updateOne({ _id, result: { $exists: false } }, { $set: { result } })
      return written.modifiedCount === 1
    },
    async byCall(composite) {
      const found = await documents.find({ ...(await current(composite)), result: { $exists: true } }).toArray()
      return new Map(found.flatMap(({ result }) => (result ? [[result.call, result] as const] : [])))
    },
    async adopt(key, result) {
      const epoch = await epochOf(key.composite)
      const first = { ...key, ...stamped(epoch), calls: 0 }
      const taken = { $set: { result, adopted: true as const }, $setOnInsert: first }
      const open = { _id: idOf(key, epoch), result: { $exists: false } }
      await documents.updateOne(open, taken, { upsert: true }).catch(ignoreDuplicate)
    },
    async lostCalls({ composite, suite }) {
      const pipeline = [
        { $match: { ...(await current(composite)), suite } },
        {
          $group: {
            _id: null,
            calls: { $sum: '$calls' },
            results: { $sum: { $cond: [{ $and: ['$result', { $ne: ['$adopted', true] }] }, 1, 0] } },
          },
        },
      ]
      const [row] = await documents.aggregate<{ calls: number; results: number }>(pipeline).toArray()
      return row ? row.calls - row.results : 0
    },
    async spentUsd(evaluationId) {
      const pipeline = [
        { $match: { 'result.evaluationId': evaluationId, adopted: { $ne: true } } },
        { $group: { _id: null, usd: { $sum: '$result.costUsd' } } },
      ]
      const [row] = await documents.aggregate<{ usd: number }>(pipeline).toArray()
      return row?.usd ?? 0
    },
  }
}
