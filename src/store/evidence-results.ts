import type { Cost, TokenUsage } from '../domain/pricing'
import type { Digest } from '../domain/version'
import { batchedWrites } from './batched-writes'
import type { CollectionSpec, Database } from './database'
import { createJudgementStore, type JudgementStore, judgementCollections } from './judgements'

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
 * Raw results by (composite, suite, case, repeat). A stored result is never paid again nor changed. Results are read by
 * their keys, a page of a suite at a time: whole suites of outputs never are in memory.
 */
export interface ResultStore {
  /** What judges answered about results, by what they were asked. */
  readonly judgements: JudgementStore
  /** Those of the keys that have a result. */
  read(keys: readonly ResultKey[]): Promise<readonly StoredResult[]>
  /** The same without reading the outputs. */
  known(keys: readonly ResultKey[]): Promise<readonly ResultKey[]>
  /** Counts a call before it is made, so that one lost to a crash is known. */
  begin(key: ResultKey): Promise<void>
  /** Takes the count back where the call was not made after all. */
  forgo(key: ResultKey): Promise<void>
  /** Keeps the first result of its key. */
  put(key: ResultKey, result: RawResult): Promise<void>
  /** Of these calls, those that a composite answered in any suite: a changed scorer costs no call. */
  byCalls(composite: Digest, calls: readonly Digest[]): Promise<ReadonlyMap<Digest, RawResult>>
  /** The same without reading the outputs. */
  answered(composite: Digest, calls: readonly Digest[]): Promise<ReadonlySet<Digest>>
  /** Takes over results that were paid for under another suite. */
  adopt(taken: readonly StoredResult[]): Promise<void>
  /** Calls begun that left no result: failed ones and those in flight at a crash. */
  lostCalls(set: ResultSet): Promise<number>
  /** What an evaluation has paid so far, over all its runs. */
  spentUsd(evaluationId: string): Promise<number>
  /** Cost and latency of the stored calls, in no order. */
  figures(set: ResultSet): Promise<readonly Pick<RawResult, 'costUsd' | 'latencyMs'>[]>
}

interface ResultDocument extends ResultKey {
  readonly _id: string
  readonly calls: number
  readonly result?: RawResult
  /** The result was made under another suite, where its call and its cost are counted. */
  readonly adopted?: true
}

export const resultCollections: readonly CollectionSpec[] = [
  ...judgementCollections,
  {
    name: 'eval_results',
    indexes: [
      { key: { composite: 1, suite: 1 } },
      { key: { composite: 1, 'result.call': 1 } },
      { key: { 'result.evaluationId': 1 } },
    ],
  },
]

/** Cases of a suite times repeats: more results than a suite can have are never read at once. */
const maxFigures = 400_000

const idOf = ({ composite, suite, caseId, repeat }: ResultKey): string => `${composite}/${suite}/${repeat}/${caseId}`

const keyOf = ({ composite, suite, caseId, repeat }: ResultKey): ResultKey => ({ composite, suite, caseId, repeat })

export function createResultStore(database: Database): ResultStore {
  const documents = database.collection<ResultDocument>('eval_results')
  const writes = batchedWrites(documents)
  const answered = (keys: readonly ResultKey[]) => ({ _id: { $in: keys.map(idOf) }, result: { $exists: true } })
  return {
    judgements: createJudgementStore(database),
    async read(keys) {
      const found = await documents.find(answered(keys)).toArray()
      return found.flatMap(({ result, ...rest }) => (result ? [{ ...keyOf(rest), result }] : []))
    },
    async known(keys) {
      const found = await documents.find(answered(keys), { projection: { result: 0 } }).toArray()
      return found.map(keyOf)
    },
    async begin(key) {
      const update = { $inc: { calls: 1 }, $setOnInsert: keyOf(key) }
      await writes.write({ updateOne: { filter: { _id: idOf(key) }, update, upsert: true } })
    },
    async forgo(key) {
      await writes.write({ updateOne: { filter: { _id: idOf(key) }, update: { $inc: { calls: -1 } } } })
    },
    async put(key, result) {
      const open = { _id: idOf(key), result: { $exists: false } }
      await writes.write({ updateOne: { filter: open, update: { $set: { result } } } })
    },
    async byCalls(composite, calls) {
      const found = await documents.find({ composite, 'result.call': { $in: [...new Set(calls)] } }).toArray()
      return new Map(found.flatMap(({ result }) => (result ? [[result.call, result] as const] : [])))
    },
    async answered(composite, calls) {
      const asked = { composite, 'result.call': { $in: [...new Set(calls)] } }
      const found = await documents.find(asked, { projection: { _id: 0, 'result.call': 1 } }).toArray()
      return new Set(found.flatMap(({ result }) => result?.call ?? []))
    },
    async adopt(taken) {
      await Promise.all(
        taken.map(async ({ result, ...key }) => {
          const place = { updateOne: { filter: { _id: idOf(key) }, update: placeOf(key), upsert: true } }
          await writes.write(place)
          const open = { _id: idOf(key), result: { $exists: false } }
          await writes.write({ updateOne: { filter: open, update: { $set: { result, adopted: true } } } })
        }),
      )
    },
    async lostCalls({ composite, suite }) {
      const pipeline = [{ $match: { composite, suite } }, { $group: countedCalls }]
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
    async figures({ composite, suite }) {
      const projection = { _id: 0, 'result.costUsd': 1, 'result.latencyMs': 1 }
      const found = documents.find({ composite, suite, result: { $exists: true } }, { projection }).limit(maxFigures)
      return (await found.toArray()).flatMap(({ result }) => result ?? [])
    },
  }
}

const ownResult = { $and: ['$result', { $ne: ['$adopted', true] }] }
const countedCalls = { _id: null, calls: { $sum: '$calls' }, results: { $sum: { $cond: [ownResult, 1, 0] } } }

/** A place without any call. */
const placeOf = (key: ResultKey) => ({ $setOnInsert: { ...keyOf(key), calls: 0 } })
