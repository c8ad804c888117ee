import { MongoServerError } from 'mongodb'
import type { Cost, TokenUsage } from '../domain/pricing'
import type { ProviderPair } from '../domain/provider-change'
import type { Digest } from '../domain/version'
import type { CollectionSpec, Database } from './database'
import type { Providers } from './providers'

/** What is asked of a judge about one output. Its id is the digest of the call, so the same question is paid once. */
export interface QuestionKey {
  readonly id: Digest
  /** Digest of the judge: of its engine and its prompt. */
  readonly judge: Digest
  /** Digest of the judge's engine version, whose provider may change. */
  readonly engine: Digest
  /** Digest of the text that is judged. */
  readonly output: Digest
}

/** Where a call is counted, and where its answer is kept, whatever the judge's provider does in between. */
export interface QuestionPlace {
  /** The id of the question, after the number of the engine's provider changes where there were any. */
  readonly place: string
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

/** What scoring reads of a judgement. */
export type JudgeAnswer = Pick<Judgement, 'text' | 'measuredAt'> & Pick<ProviderPair, 'model' | 'fingerprint'>

/**
 * Answers of judges. A stored answer is never paid again nor changed. Those of before a change of the judge's provider are
 * kept, and are no answers any more.
 */
export interface JudgementStore {
  /** By the id of the question, those that are answered. */
  answers(questions: readonly QuestionKey[]): Promise<ReadonlyMap<Digest, JudgeAnswer>>
  /** Ids of those that are answered. */
  answered(questions: readonly QuestionKey[]): Promise<ReadonlySet<Digest>>
  /** Counts a call before it is made, so that one lost to a crash is known, and answers where. */
  begin(key: QuestionKey): Promise<QuestionPlace>
  /** Takes the count back where the call was not made after all. */
  forgo(place: QuestionPlace): Promise<void>
  /** Keeps the first answer of its place. */
  put(place: QuestionPlace, answer: Judgement): Promise<void>
  /** What an evaluation has paid judges so far, over all its runs, and for how many answers. */
  paidBy(evaluationId: string): Promise<{ readonly answers: number; readonly costUsd: number }>
  /** Calls of these judges that left no answer: failed ones and those in flight at a crash. */
  lostCalls(judges: readonly Digest[]): Promise<number>
}

interface JudgementDocument extends Omit<QuestionKey, 'id'> {
  readonly _id: QuestionPlace['place']
  readonly calls: number
  readonly answer?: Judgement
}

export const judgementCollections: readonly CollectionSpec[] = [
  { name: 'judgements', indexes: [{ key: { judge: 1 } }, { key: { 'answer.evaluationId': 1 } }] },
]

const duplicateKey = 11_000

export function createJudgementStore(database: Database, providers: Pick<Providers, 'epochs'>): JudgementStore {
  const documents = database.collection<JudgementDocument>('judgements')
  const placesOf = async (questions: readonly QuestionKey[]): Promise<ReadonlyMap<string, Digest>> => {
    const epochs = await providers.epochs([...new Set(questions.map(({ engine }) => engine))])
    return new Map(questions.map(({ id, engine }) => [idAt(id, epochs.get(engine) ?? 0), id]))
  }
  const placeOf = async (question: QuestionKey): Promise<string> => {
    const epochs = await providers.epochs([question.engine])
    return idAt(question.id, epochs.get(question.engine) ?? 0)
  }
  return {
    async answers(questions) {
      const places = await placesOf(questions)
      const found = documents.find({ _id: { $in: [...places.keys()] }, answer: { $exists: true } })
      const wanted = { 'answer.text': 1, 'answer.model': 1, 'answer.fingerprint': 1, 'answer.measuredAt': 1 }
      const rows = await found.project<{ _id: string; answer: JudgeAnswer }>(wanted).toArray()
      return new Map(rows.flatMap(({ _id, answer }) => named(places, _id).map((id) => [id, answer] as const)))
    },
    async answered(questions) {
      const places = await placesOf(questions)
      const found = documents.find({ _id: { $in: [...places.keys()] }, answer: { $exists: true } })
      const rows = await found.project<{ _id: string }>({ _id: 1 }).toArray()
      return new Set(rows.flatMap(({ _id }) => named(places, _id)))
    },
    async begin(question) {
      const { judge, engine, output } = question
      const _id = await placeOf(question)
      const counted = { $inc: { calls: 1 }, $setOnInsert: { judge, engine, output } }
      try {
        await documents.updateOne({ _id }, counted, { upsert: true })
      } catch (error) {
        // Another process inserted the same question at the same moment; it is there now.
        if (!(error instanceof MongoServerError && error.code === duplicateKey)) throw error
        await documents.updateOne({ _id }, { $inc: { calls: 1 } })
      }
      return { place: _id }
    },
    async forgo({ place }) {
      await documents.updateOne({ _id: place }, { $inc: { calls: -1 } })
    },
    async put({ place }, answer) {
      await documents.updateOne({ _id: place, answer: { $exists: false } }, { $set: { answer } })
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

const idAt = (id: Digest, epoch: number): string => (epoch === 0 ? id : `${epoch}/${id}`)

function named(places: ReadonlyMap<string, Digest>, place: string): readonly Digest[] {
  const id = places.get(place)
  return id === undefined ? [] : [id]
}
