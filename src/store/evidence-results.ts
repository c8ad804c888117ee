import { MongoServerError } from 'mongodb'
import type { Cost, TokenUsage } from '../domain/pricing'
import type { Digest } from '../domain/version'
import type { CollectionSpec, Database } from './database'

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

/** Raw results by (composite, suite, case, repeat). A stored result is never paid again nor changed. */
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

const idOf = ({ composite, suite, caseId, repeat }: ResultKey): string => `${composite}/${suite}/${repeat}/${caseId}`

const duplicateKey = 11_000

/** Another run was first: its result stands. */
function ignoreDuplicate(error: unknown): void {
  if (!(error instanceof MongoServerError && error.code === duplicateKey)) throw error
}

export function createResultStore(database: Database): ResultStore {
  const documents = database.collection<ResultDocument>('eval_results')
  return {
    async all({ composite, suite }) {
      const found = await documents.find({ composite, suite, result: { $exists: true } }).toArray()
      return found.flatMap(({ composite, suite, caseId, repeat, result }) =>
        result ? [{ composite, suite, caseId, repeat, result }] : [],
      )
    },
    async begin(key) {
      await documents.updateOne({ _id: idOf(key) }, { $inc: { calls: 1 }, $setOnInsert: { ...key } }, { upsert: true })
    },
    async put(key, result) {
      const written = await documents.updateOne({ _id: idOf(key), result: { $exists: false } }, { $set: { result } })
      return written.modifiedCount === 1
    },
    async byCall(composite) {
      const found = await documents.find({ composite, result: { $exists: true } }).toArray()
      return new Map(found.flatMap(({ result }) => (result ? [[result.call, result] as const] : [])))
    },
    async adopt(key, result) {
      const taken = { $set: { result, adopted: true as const }, $setOnInsert: { ...key, calls: 0 } }
      const open = { _id: idOf(key), result: { $exists: false } }
      await documents.updateOne(open, taken, { upsert: true }).catch(ignoreDuplicate)
    },
    async lostCalls({ composite, suite }) {
      const pipeline = [
        { $match: { composite, suite } },
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
