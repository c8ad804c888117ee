import { type AnyBulkWriteOperation, MongoBulkWriteError } from 'mongodb'
import type { LateOutcome, RequestRecord, StratumKey } from '../domain/telemetry'
import type { CollectionSpec, Database } from './database'

/** A served request as it is kept: 180 days, to answer why it behaved as it did. */
export interface LoggedRequest extends RequestRecord {
  readonly environment: string
  readonly reporter: string
}

type RequestDocument = Omit<LoggedRequest, 'requestId'> & { _id: string; receivedAt: Date }
export interface OutcomeDocument extends Omit<LateOutcome, 'id'> {
  _id: string
  environment: string
  receivedAt: Date
  /** Who told it, as `telemetry-fold` names sources; absent in those that are older than this field. */
  sources?: readonly string[]
  /** When it is to be joined with its conversation; absent once that is done or given up. */
  joinAt?: Date
  attempts?: number
}

const retentionSeconds = 180 * 24 * 3_600
const duplicateKey = 11_000
const maxPage = 1_000

export const requestLogCollections: readonly CollectionSpec[] = [
  {
    name: 'requests',
    indexes: [
      { key: { tenant: 1, conversation: 1, at: 1 } },
      { key: { environment: 1, task: 1, at: -1 } },
      { key: { environment: 1, task: 1, composite: 1, at: -1 } },
      { key: { receivedAt: 1 }, expireAfterSeconds: retentionSeconds },
    ],
  },
  {
    name: 'lateOutcomes',
    indexes: [
      { key: { tenant: 1, conversation: 1 } },
      { key: { environment: 1, task: 1, metric: 1, at: -1 } },
      { key: { joinAt: 1 }, partial: { joinAt: { $exists: true } } },
      { key: { receivedAt: 1 }, expireAfterSeconds: retentionSeconds },
    ],
  },
]

/** The request log and late outcomes: written once by id, a repeated delivery changes nothing. */
export class RequestLog {
  private readonly database: Database

  constructor(database: Database) {
    this.database = database
  }

  async append(records: readonly LoggedRequest[]): Promise<void> {
    const receivedAt = new Date()
    await this.insert(
      'requests',
      records.map(({ requestId, ...record }): RequestDocument => ({ _id: requestId, ...record, receivedAt })),
    )
  }

  /** They are joined with their conversations by whoever comes first, soon. */
  async appendOutcomes(
    environment: string,
    outcomes: readonly LateOutcome[],
    sources: readonly string[],
  ): Promise<void> {
    const receivedAt = new Date()
    await this.insert(
      'lateOutcomes',
      outcomes.map(
        ({ id, ...outcome }): OutcomeDocument => ({
          _id: id,
          environment,
          ...outcome,
          receivedAt,
          sources,
          joinAt: receivedAt,
        }),
      ),
    )
  }

  async find(requestId: string): Promise<LoggedRequest | undefined> {
    const found = await this.requests().findOne({ _id: requestId }, { projection: { receivedAt: 0 } })
    return found === null ? undefined : toLogged(found)
  }

  /** When the oldest row that is left was received; undefined where there is none. */
  async oldestReceivedAt(): Promise<number | undefined> {
    const rows = this.requests()
      .find({}, { projection: { receivedAt: 1 } })
      .sort({ receivedAt: 1 })
      .limit(1)
    return (await rows.toArray())[0]?.receivedAt.getTime()
  }

  /** The stratum in which a conversation was served first; undefined where no such request is known. */
  async firstStratum(
    environment: string,
    { task, tenant, conversation }: Pick<LateOutcome, 'task' | 'tenant' | 'conversation'>,
  ): Promise<StratumKey | undefined> {
    const [row] = await this.requests()
      .find({ tenant, conversation, task, environment }, { projection: { seq: 1, slice: 1, arm: 1, composite: 1 } })
      .sort({ at: 1 })
      .limit(1)
      .toArray()
    if (row === undefined) return undefined
    const { seq, slice, arm, composite } = row
    return { environment, task, seq, slice, arm, composite }
  }

  /** In the order they were served. */
  async ofConversation(tenant: string, conversation: string): Promise<LoggedRequest[]> {
    const rows = this.requests()
      .find({ tenant, conversation }, { projection: { receivedAt: 0 } })
      .sort({ at: 1 })
    return (await rows.limit(maxPage).toArray()).map(toLogged)
  }

  /** The newest first. */
  async ofTask(environment: string, task: string, limit = maxPage): Promise<LoggedRequest[]> {
    const rows = this.requests()
      .find({ environment, task }, { projection: { receivedAt: 0 } })
      .sort({ at: -1 })
    return (await rows.limit(Math.min(limit, maxPage)).toArray()).map(toLogged)
  }

  async outcomesOf(tenant: string, conversation: string): Promise<LateOutcome[]> {
    const rows = this.database.collection<OutcomeDocument>('lateOutcomes').find({ tenant, conversation })
    return (await rows.limit(maxPage).toArray()).map(({ _id: id, task, metric, value, at }) => ({
      ...{ id, task, tenant, conversation, metric, value, at },
    }))
  }

  private async insert(name: string, documents: readonly { _id: string }[]): Promise<void> {
    if (documents.length === 0) return
    try {
      const operations: AnyBulkWriteOperation<{ _id: string }>[] = documents.map((document) => ({
        insertOne: { document },
      }))
      await this.database.collection<{ _id: string }>(name).bulkWrite(operations, { ordered: false })
    } catch (error) {
      const failures = error instanceof MongoBulkWriteError ? [error.writeErrors].flat() : []
      if (failures.length === 0 || failures.some(({ code }) => code !== duplicateKey)) throw error
    }
  }

  private requests() {
    return this.database.collection<RequestDocument>('requests')
  }
}

const toLogged = ({ _id, ...row }: Omit<RequestDocument, 'receivedAt'>): LoggedRequest => ({ requestId: _id, ...row })
