import type { Collection } from 'mongodb'
import type { Branch } from '../domain/branch'
import type { Cost, TokenUsage } from '../domain/pricing'
import type { ProviderPair } from '../domain/provider-change'
import type { ToolCall } from '../domain/tool-call'
import type { Digest } from '../domain/version'
import { type BatchedWrites, batchedWrites } from './batched-writes'
import type { CollectionSpec, Database } from './database'
import { createJudgementStore, type JudgementStore, judgementCollections } from './judgements'
import type { Providers } from './providers'

export interface ResultSet {
  readonly composite: Digest
  readonly suite: Digest
}

export interface ResultKey extends ResultSet {
  readonly caseId: string
  readonly repeat: number
}

/** Where a call is counted, and where its result is kept, whatever its provider does in between. */
export interface ResultPlace extends ResultKey {
  /** Provider changes of the composite by then. */
  readonly epoch: number
}

/**
 * What one call gave, or all those that a router made of the case together; raw: scores are computed when they are needed,
 * so a changed scorer costs no call.
 */
export interface RawResult extends TokenUsage, Cost {
  readonly text: string
  readonly toolCalls?: readonly ToolCall[]
  /** Which way the router sent the case; absent without a router. */
  readonly branch?: Branch
  /** What the provider of the router's classifier said that it ran, where that was asked. */
  readonly classifier?: Pick<ProviderPair, 'model' | 'fingerprint'>
  /** Calls that it took, failed candidates included; absent: one. */
  readonly calls?: number
  readonly truncated: boolean
  readonly latencyMs: number
  readonly seed?: number
  /** Digest of what was asked: the same call in another suite is not made again. */
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
 * their keys, a page of a suite at a time: whole suites of outputs never are in memory. Results of before a provider change
 * are kept, and are no results any more: what is asked for here is of the composite's current epoch.
 */
export interface ResultStore {
  /** What judges answered about results, by what they were asked. */
  readonly judgements: JudgementStore
  /** Those of the keys that have a result. */
  read(keys: readonly ResultKey[]): Promise<readonly StoredResult[]>
  /** Every stored result of a composite on a suite, one after the other, in no order. */
  each(set: ResultSet): AsyncIterable<StoredResult>
  /** How an output of the set was dropped; absent where none was. */
  dropped(set: ResultSet): Promise<OutputDropped | undefined>
  /** Those of the keys that have a result, without reading the outputs. */
  known(keys: readonly ResultKey[]): Promise<readonly ResultKey[]>
  /**
   * Counts a call before it is made, so that one lost to a crash is known, and answers where. Further calls of the same
   * request are counted at the place of the first.
   */
  begin(at: ResultKey | ResultPlace): Promise<ResultPlace>
  /** Takes the count back where the call was not made after all. */
  forgo(place: ResultPlace): Promise<void>
  /** Keeps the first result of its place. */
  put(place: ResultPlace, result: RawResult): Promise<void>
  /** What calls cost that left no result: a classifier was answered, and then no candidate was. */
  charge(place: ResultPlace, paid: Charge): Promise<void>
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

/** What retention leaves of an output, beside its figures. */
export interface OutputDropped {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly by: string
  /** The run that dropped it. */
  readonly run: string
}

export interface Charge {
  readonly evaluationId: string
  readonly costUsd: number
}

interface ResultDocument extends ResultKey {
  readonly _id: string
  /** Absent: the first, before any provider change. */
  readonly epoch?: number
  readonly calls: number
  readonly charges?: readonly Charge[]
  readonly result?: RawResult
  /** Its text is gone then. */
  readonly dropped?: OutputDropped
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
      { key: { 'charges.evaluationId': 1 }, partial: { 'charges.evaluationId': { $exists: true } } },
    ],
  },
]

/** Cases of a suite times repeats: more results than a suite can have are never read at once. */
const maxFigures = 400_000

function idOf({ composite, suite, caseId, repeat }: ResultKey, epoch: number): string {
  const place = `${composite}/${suite}/${repeat}/${caseId}`
  return epoch === 0 ? place : `${epoch}/${place}`
}

const keyOf = ({ composite, suite, caseId, repeat }: ResultKey): ResultKey => ({ composite, suite, caseId, repeat })

export const createResultStore = (database: Database, providers: Providers): ResultStore =>
  new MongoResults(database, providers)

class MongoResults implements ResultStore {
  private readonly documents: Collection<ResultDocument>
  private readonly writes: BatchedWrites<ResultDocument>
  readonly judgements: JudgementStore
  private readonly providers: Providers
  private asking:
    | { readonly composites: Set<Digest>; readonly epochs: Promise<ReadonlyMap<Digest, number>> }
    | undefined

  constructor(database: Database, providers: Providers) {
    this.documents = database.collection('eval_results')
    this.writes = batchedWrites(this.documents)
    this.judgements = createJudgementStore(database, providers)
    this.providers = providers
  }

  async read(keys: readonly ResultKey[]): Promise<readonly StoredResult[]> {
    return (await this.documents.find(await this.answeredAt(keys)).toArray()).flatMap(storedOf)
  }

  async known(keys: readonly ResultKey[]): Promise<readonly ResultKey[]> {
    const found = this.documents.find(await this.answeredAt(keys), { projection: { result: 0 } })
    return (await found.toArray()).map(keyOf)
  }

  async *each({ composite, suite }: ResultSet): AsyncGenerator<StoredResult> {
    const found = this.documents.find({ ...(await this.current(composite)), suite, 'result.text': { $exists: true } })
    for await (const document of found) yield* storedOf(document)
  }

  async dropped({ composite, suite }: ResultSet): Promise<OutputDropped | undefined> {
    const gone = {
      ...(await this.current(composite)),
      suite,
      dropped: { $exists: true },
      'result.text': { $exists: false },
    }
    return (await this.documents.findOne(gone, { projection: { dropped: 1 } }))?.dropped
  }

  async begin(at: ResultKey | ResultPlace): Promise<ResultPlace> {
    const epoch = 'epoch' in at ? at.epoch : await this.epochOf(at.composite)
    const update = { $inc: { calls: 1 }, $setOnInsert: { ...keyOf(at), ...stamped(epoch) } }
    await this.writes.write({ updateOne: { filter: { _id: idOf(at, epoch) }, update, upsert: true } })
    return { ...keyOf(at), epoch }
  }

  async forgo(place: ResultPlace): Promise<void> {
    const filter = { _id: idOf(place, place.epoch) }
    await this.writes.write({ updateOne: { filter, update: { $inc: { calls: -1 } } } })
  }

  async put(place: ResultPlace, result: RawResult): Promise<void> {
    const filter = { _id: idOf(place, place.epoch), 'result.text': { $exists: false } }
    await this.writes.write({ updateOne: { filter, update: { $set: { result } } } })
  }

  async charge(place: ResultPlace, paid: Charge): Promise<void> {
    const filter = { _id: idOf(place, place.epoch) }
    await this.writes.write({ updateOne: { filter, update: { $push: { charges: paid } } } })
  }

  async byCalls(composite: Digest, calls: readonly Digest[]): Promise<ReadonlyMap<Digest, RawResult>> {
    const found = await this.documents.find(await this.calledBy(composite, calls)).toArray()
    return new Map(found.flatMap(({ result }) => (result ? [[result.call, result] as const] : [])))
  }

  async answered(composite: Digest, calls: readonly Digest[]): Promise<ReadonlySet<Digest>> {
    const projection = { _id: 0, 'result.call': 1 }
    const found = await this.documents.find(await this.calledBy(composite, calls), { projection }).toArray()
    return new Set(found.flatMap(({ result }) => result?.call ?? []))
  }

  async adopt(taken: readonly StoredResult[]): Promise<void> {
    await Promise.all(taken.map((one) => this.adoptOne(one)))
  }

  async lostCalls({ composite, suite }: ResultSet): Promise<number> {
    const pipeline = [{ $match: { ...(await this.current(composite)), suite } }, { $group: countedCalls }]
    const [row] = await this.documents.aggregate<{ calls: number; results: number }>(pipeline).toArray()
    return row ? row.calls - row.results : 0
  }

  async spentUsd(evaluationId: string): Promise<number> {
    const pipeline = [
      { $match: { 'result.evaluationId': evaluationId, adopted: { $ne: true } } },
      { $group: { _id: null, usd: { $sum: '$result.costUsd' } } },
    ]
    const [row] = await this.documents.aggregate<{ usd: number }>(pipeline).toArray()
    return (row?.usd ?? 0) + (await this.chargedUsd(evaluationId))
  }

  async figures({ composite, suite }: ResultSet): Promise<readonly Pick<RawResult, 'costUsd' | 'latencyMs'>[]> {
    const asked = { ...(await this.current(composite)), suite, result: { $exists: true } }
    const projection = { _id: 0, 'result.costUsd': 1, 'result.latencyMs': 1 }
    const found = this.documents.find(asked, { projection }).limit(maxFigures)
    return (await found.toArray()).flatMap(({ result }) => result ?? [])
  }

  private async chargedUsd(evaluationId: string): Promise<number> {
    const own = { 'charges.evaluationId': evaluationId }
    const pipeline = [
      { $match: own },
      { $unwind: '$charges' },
      { $match: own },
      { $group: { _id: null, usd: { $sum: '$charges.costUsd' } } },
    ]
    const [row] = await this.documents.aggregate<{ usd: number }>(pipeline).toArray()
    return row?.usd ?? 0
  }

  private async adoptOne({ result, ...key }: StoredResult): Promise<void> {
    const epoch = await this.epochOf(key.composite)
    const place = { $setOnInsert: { ...keyOf(key), ...stamped(epoch), calls: 0 } }
    await this.writes.write({ updateOne: { filter: { _id: idOf(key, epoch) }, update: place, upsert: true } })
    const open = { _id: idOf(key, epoch), 'result.text': { $exists: false } }
    await this.writes.write({ updateOne: { filter: open, update: { $set: { result, adopted: true } } } })
  }

  private async answeredAt(keys: readonly ResultKey[]) {
    const epochs = await this.providers.epochs([...new Set(keys.map(({ composite }) => composite))])
    const ids = keys.map((key) => idOf(key, epochs.get(key.composite) ?? 0))
    return { _id: { $in: ids }, 'result.text': { $exists: true } }
  }

  private async calledBy(composite: Digest, calls: readonly Digest[]) {
    return {
      ...(await this.current(composite)),
      'result.call': { $in: [...new Set(calls)] },
      'result.text': { $exists: true },
    }
  }

  private async current(composite: Digest) {
    const epoch = (await this.providers.epochs([composite])).get(composite) ?? 0
    return { composite, epoch: epoch === 0 ? { $exists: false } : epoch }
  }

  /** As of this moment; whoever asks in the same turn of the event loop shares one question. */
  private async epochOf(composite: Digest): Promise<number> {
    if (this.asking === undefined) {
      const composites = new Set<Digest>()
      const epochs = nextTurn().then(() => {
        this.asking = undefined
        return this.providers.epochs([...composites])
      })
      this.asking = { composites, epochs }
    }
    const { composites, epochs } = this.asking
    composites.add(composite)
    return (await epochs).get(composite) ?? 0
  }
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const stamped = (epoch: number): { readonly epoch?: number } => (epoch === 0 ? {} : { epoch })
const ownResult = { $and: ['$result', { $ne: ['$adopted', true] }] }
const countedCalls = {
  _id: null,
  calls: { $sum: '$calls' },
  results: { $sum: { $cond: [ownResult, { $ifNull: ['$result.calls', 1] }, 0] } },
}

const storedOf = ({ result, ...rest }: ResultDocument): readonly StoredResult[] =>
  result ? [{ ...keyOf(rest), result }] : []
