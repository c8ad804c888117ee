import { MongoServerError } from 'mongodb'
import type { Cost, TokenUsage } from '../domain/pricing'
import type { Digest } from '../domain/version'
import type { CollectionSpec, Database } from './database'

/** What is asked of a judge about one output. Its id is the digest of the call, so the same question is paid once. */
export interface QuestionKey {
  readonly id: Digest
  /** Digest of the judge: of its engine and its prompt. */
  readonly judge: Digest
  /** Digest of the text that is judged. */
  readonly output: Digest
}

/** What a judge answered, raw: it is read when scores are computed. */
export interface Judgement extends TokenUsage, Cost {
  readonly text: string
  readonly latencyMs: number
  readonly model?: string
  readonly fingerprint?: string
  /** Milliseconds since the epoch. */
  readonly measuredAt: number
  /** The evaluation that paid for it. */
  readonly evaluationId: string
}

/** Answers of judges. A stored answer is never paid again nor changed. */
export interface JudgementStore {
  /** Texts of those that are answered. */
  texts(ids: readonly Digest[]): Promise<ReadonlyMap<Digest, string>>
  /** Those of the ids that are answered. */
  answered(ids: readonly Digest[]): Promise<ReadonlySet<Digest>>
  /** Counts a call before it is made, so that one lost to a crash is known. */
  begin(key: QuestionKey): Promise<void>
  /** Takes the count back where the call was not made after all. */
  forgo(key: QuestionKey): Promise<void>
  /** Keeps the first answer of its question. */
  put(key: QuestionKey, answer: Judgement): Promise<void>
  /** What an evaluation has paid judges so far, over all its runs, and for how many answers. */
  paidBy(evaluationId: string): Promise<{ readonly answers: number; readonly costUsd: number }>
  /** Calls of these judges that left no answer: failed ones and those in flight at a crash. */
  lostCalls(judges: readonly Digest[]): Promise<number>
}

interface JudgementDocument extends Omit<QuestionKey, 'id'> {
  readonly _id: Digest
  readonly calls: number
  readonly answer?: Judgement
}

export const judgementCollections: readonly CollectionSpec[] = [
  { name: 'judgements', indexes: [{ key: { judge: 1 } }, { key: { 'answer.evaluationId': 1 } }] },
]

const duplicateKey = 11_000

export function createJudgementStore(database: Database): JudgementStore {
  const documents = database.collection<JudgementDocument>('judgements')
  return {
    async texts(ids) {
      const found = documents.find({ _id: { $in: [...ids] }, answer: { $exists: true } })
      const rows = await found.project<{ _id: Digest; answer: { text: string } }>({ 'answer.text': 1 }).toArray()
      return new Map(rows.map(({ _id, answer }) => [_id, answer.text]))
    },
    async answered(ids) {
      const found = documents.find({ _id: { $in: [...ids] }, answer: { $exists: true } })
      const rows = await found.project<{ _id: Digest }>({ _id: 1 }).toArray()
      return new Set(rows.map(({ _id }) => _id))
    },
    async begin({ id, ...facts }) {
      const counted = { $inc: { calls: 1 }, $setOnInsert: facts }
      try {
        await documents.updateOne({ _id: id }, counted, { upsert: true })
      } catch (error) {
        // Another process inserted the same question at the same moment; it is there now.
        if (!(error instanceof MongoServerError && error.code === duplicateKey)) throw error
        await documents.updateOne({ _id: id }, { $inc: { calls: 1 } })
      }
    },
    async forgo({ id }) {
      await documents.updateOne({ _id: id }, { $inc: { calls: -1 } })
    },
    async put({ id }, answer) {
      await documents.updateOne({ _id: id, answer: { $exists: false } }, { $set: { answer } })
    },
    async paidBy(evaluationId) {
      const pipeline = [
        { $match: { 'answer.evaluationId': evaluationId } },
        { $group: { _id: null, answers: { $sum: 1 }, costUsd: { $sum: '$answer.costUsd' } } },
        { $project: { _id: 0 } },
      ]
      const [row] = await documents.aggregate<{ answers: number; costUsd: number }>(pipeline).toArray()
      return row ?? { answers: 0, costUsd: 0 }
    },
    async lostCalls(judges) {
      const lost = { $subtract: ['$calls', { $cond: ['$answer', 1, 0] }] }
      const pipeline = [{ $match: { judge: { $in: [...judges] } } }, { $group: { _id: null, calls: { $sum: lost } } }]
      const [row] = await documents.aggregate<{ calls: number }>(pipeline).toArray()
      return row?.calls ?? 0
    },
  }
}
