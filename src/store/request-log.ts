import { type AnyBulkWriteOperation, type Filter, MongoBulkWriteError } from 'mongodb'
import type { LateOutcome, StratumKey } from '../domain/telemetry'
import type { Digest } from '../domain/version'
import { digestOf } from './canonical'
import type { CollectionSpec, Database } from './database'
import {
  bucketsOf,
  conversationKey,
  type LogDelivery,
  type LoggedRequest,
  type RequestBucket,
  requestBucketCollections,
  requestsIn,
  withoutIds,
} from './request-buckets'

export type { LoggedRequest } from './request-buckets'

export interface OutcomeDocument extends Omit<LateOutcome, 'id'> {
  /** A digest of all that says which outcome it is; in rows that are older than the field `id`, that id alone. */
  _id: string
  /** As it was told. */
  id?: string
  environment: string
  receivedAt: Date
  /** Who told it, as `telemetry-fold` names sources; absent in those that are older than this field. */
  sources?: readonly string[]
  /** When it is to be joined with its conversation; absent once that is done or given up. */
  joinAt?: Date
  attempts?: number
}

/** A lane, or what one composite served in it. */
export interface LogSelection {
  readonly environment: string
  readonly task: string
  readonly composite?: Digest
}

const daySeconds = 24 * 3_600
/** How long a request is kept unless the policy that it was served under says otherwise. */
export const defaultRequestDays = 180
const outcomeRetentionSeconds = 180 * daySeconds
const duplicateKey = 11_000
const maxPage = 1_000
/** Buckets that one question reads: of an application that reports each request by itself there are as many as requests. */
const maxBuckets = 5_000
const maxAttempts = 5

export const requestLogCollections: readonly CollectionSpec[] = [
  ...requestBucketCollections,
  {
    name: 'lateOutcomes',
    indexes: [
      { key: { tenant: 1, conversation: 1 } },
      { key: { environment: 1, task: 1, metric: 1, at: -1 } },
      { key: { joinAt: 1 }, partial: { joinAt: { $exists: true } } },
      { key: { receivedAt: 1 }, expireAfterSeconds: outcomeRetentionSeconds },
    ],
  },
]

/** The request log and late outcomes: written once by id, a repeated delivery changes nothing. */
export class RequestLog {
  private readonly database: Database

  constructor(database: Database) {
    this.database = database
  }

  /** Durable once it resolves. What is in the log already, by id, stays as it is. */
  async append(delivery: LogDelivery): Promise<void> {
    let waiting = bucketsOf(delivery)
    for (let attempt = 1; waiting.length > 0; attempt++) {
      try {
        await this.buckets().insertMany(waiting, { ordered: false })
        return
      } catch (error) {
        const refused = duplicatesIn(error)
        if (refused === undefined || attempt >= maxAttempts) throw error
        waiting = await this.unknownOf(refused.flatMap((index) => waiting[index] ?? []))
      }
    }
  }

  /** They are joined with their conversations by whoever comes first, soon. */
  async appendOutcomes(
    environment: string,
    outcomes: readonly LateOutcome[],
    { receivedAt, sources }: Required<Pick<OutcomeDocument, 'receivedAt' | 'sources'>>,
  ): Promise<void> {
    if (outcomes.length === 0) return
    const operations = outcomes.map((outcome): AnyBulkWriteOperation<OutcomeDocument> => {
      const _id = outcomeKey(environment, outcome)
      const document = { _id, environment, ...outcome, receivedAt, sources, joinAt: receivedAt }
      return { insertOne: { document } }
    })
    try {
      await this.database.collection<OutcomeDocument>('lateOutcomes').bulkWrite(operations, { ordered: false })
    } catch (error) {
      if (duplicatesIn(error) === undefined) throw error
    }
  }

  async find(requestId: string): Promise<LoggedRequest | undefined> {
    const bucket = await this.buckets().findOne({ ids: requestId })
    return bucket === null ? undefined : requestsIn(bucket).find((request) => request.requestId === requestId)
  }

  /** When the oldest request that is left was received; undefined where there is none. */
  async oldestReceivedAt(): Promise<number | undefined> {
    const oldest = this.buckets()
      .find({}, { projection: { receivedAt: 1 } })
      .sort({ receivedAt: 1 })
      .limit(1)
    return (await oldest.toArray())[0]?.receivedAt.getTime()
  }

  /** The stratum in which a conversation was served first; undefined where no such request is known. */
  async firstStratum(
    environment: string,
    { task, tenant, conversation }: Pick<LateOutcome, 'task' | 'tenant' | 'conversation'>,
  ): Promise<StratumKey | undefined> {
    const own = this.buckets()
      .find({ conversations: conversationKey(tenant, conversation), environment, task })
      .sort({ from: 1 })
      .limit(maxBuckets)
      // Hundreds of outcomes are joined at a time, and a bucket is mostly about other conversations.
      .batchSize(2)
    let first: LoggedRequest | undefined
    for await (const bucket of own) {
      if (first !== undefined && first.at <= bucket.from) break
      for (const row of requestsIn(bucket)) {
        const isOwn = row.tenant === tenant && row.conversation === conversation
        if (isOwn && (first === undefined || row.at < first.at)) first = row
      }
    }
    if (first === undefined) return undefined
    const { seq, slice, arm, composite } = first
    return { environment, task, seq, slice, arm, composite }
  }

  /** The first thousand, in the order they were served. */
  async ofConversation(tenant: string, conversation: string): Promise<LoggedRequest[]> {
    const cursor = this.buckets()
      .find({ conversations: conversationKey(tenant, conversation) })
      .sort({ from: 1 })
      .limit(maxBuckets)
    let found: LoggedRequest[] = []
    for await (const bucket of cursor) {
      const last = found[maxPage - 1]
      if (last !== undefined && last.at <= bucket.from) break
      const own = requestsIn(bucket).filter((row) => row.tenant === tenant && row.conversation === conversation)
      found = [...found, ...own].sort((left, right) => left.at - right.at).slice(0, maxPage)
    }
    return found
  }

  /** The newest first; of those alone that `isWanted` takes. */
  async newest(
    { environment, task, composite }: LogSelection,
    limit = maxPage,
    isWanted: (request: LoggedRequest) => boolean = () => true,
  ): Promise<LoggedRequest[]> {
    const wanted = Math.min(limit, maxPage)
    const filter: Filter<RequestBucket> = { environment, task, ...(composite === undefined ? {} : { composite }) }
    let found: LoggedRequest[] = []
    for await (const bucket of this.buckets().find(filter).sort({ to: -1 }).limit(maxBuckets)) {
      const last = found[wanted - 1]
      if (last !== undefined && last.at >= bucket.to) break
      const fitting = requestsIn(bucket).filter(isWanted)
      found = [...found, ...fitting].sort((left, right) => right.at - left.at).slice(0, wanted)
    }
    return found
  }

  /** What was served in the lane within a span of time, both ends included, the oldest first. */
  async between(
    { environment, task }: LogSelection,
    from: number,
    until: number,
    limit: number,
  ): Promise<LoggedRequest[]> {
    const filter: Filter<RequestBucket> = { environment, task, to: { $gte: from }, from: { $lte: until } }
    let found: LoggedRequest[] = []
    for await (const bucket of this.buckets().find(filter).sort({ from: 1 }).limit(maxBuckets)) {
      const last = found[limit - 1]
      if (last !== undefined && last.at <= bucket.from) break
      const within = requestsIn(bucket).filter(({ at }) => from <= at && at <= until)
      found = [...found, ...within].sort((left, right) => left.at - right.at).slice(0, limit)
    }
    return found
  }

  /** Every composite that the log names in the lane. */
  composites(environment: string, task: string): Promise<Digest[]> {
    return this.buckets().distinct('composite', { environment, task })
  }

  /** Every request of the log, bucket by bucket. */
  async *all(): AsyncGenerator<LoggedRequest> {
    for await (const bucket of this.buckets().find()) yield* requestsIn(bucket)
  }

  async outcomesOf(tenant: string, conversation: string): Promise<LateOutcome[]> {
    const rows = this.database.collection<OutcomeDocument>('lateOutcomes').find({ tenant, conversation })
    return (await rows.limit(maxPage).toArray()).map(({ _id, id = _id, task, metric, value, at }) => ({
      ...{ id, task, tenant, conversation, metric, value, at },
    }))
  }

  /** What of these buckets is in no other. A refused insert waits for the one it lost against, so that this finds it. */
  private async unknownOf(buckets: readonly RequestBucket[]): Promise<RequestBucket[]> {
    const ids = buckets.flatMap((bucket) => bucket.ids)
    const known = new Set<string>()
    for await (const row of this.buckets().find({ ids: { $in: ids } }, { projection: { ids: 1 } })) {
      for (const id of row.ids) known.add(id)
    }
    return buckets.flatMap((bucket) => withoutIds(bucket, known) ?? [])
  }

  private buckets() {
    return this.database.collection<RequestBucket>('requestBuckets')
  }
}

/** Ids are chosen by the sender, who may well name a survey: its answers on two metrics, or by two tenants, are two. */
const outcomeKey = (environment: string, { id, task, tenant, conversation, metric }: LateOutcome): string =>
  digestOf({ environment, task, tenant, conversation, metric, id })

/** Which of the inserted documents were there already; undefined where the write failed for another reason. */
function duplicatesIn(error: unknown): number[] | undefined {
  const failures = error instanceof MongoBulkWriteError ? [error.writeErrors].flat() : []
  if (failures.length === 0 || failures.some(({ code }) => code !== duplicateKey)) return undefined
  return failures.map(({ index }) => index)
}
