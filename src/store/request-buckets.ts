import type { RequestRecord } from '../domain/telemetry'
import type { Digest } from '../domain/version'
import type { CollectionSpec } from './database'

/** A served request as it is kept, to answer why it behaved as it did. */
export interface LoggedRequest extends RequestRecord {
  readonly environment: string
  readonly reporter: string
}

/** What the rows of one bucket have in common, and so do not repeat. */
interface BucketHead {
  readonly environment: string
  readonly reporter: string
  readonly task: string
  readonly composite: Digest
}

type BucketRow = Omit<LoggedRequest, keyof BucketHead | 'requestId'>

/** The order of a row's values; a name that is new goes to the end, so that older rows are read as they are. */
const rowPlaces = {
  ...{ tenant: 0, conversation: 1, at: 2, seq: 3, slice: 4, arm: 5, reason: 6, binding: 7, outcome: 8, latencyMs: 9 },
  ...{ inputTokens: 10, cachedTokens: 11, outputTokens: 12, costUsd: 13, uncachedCostUsd: 14, cacheAgeMs: 15 },
  ...{ headSeq: 16, tenantSeq: 17, stale: 18, model: 19, fingerprint: 20, branch: 21 },
} as const satisfies Record<keyof BucketRow, number>
const rowFields = Object.keys(rowPlaces) as (keyof BucketRow)[]

/** What one reporter delivered at one time. */
export interface LogDelivery {
  readonly environment: string
  readonly reporter: string
  readonly requests: readonly RequestRecord[]
  readonly receivedAt: Date
  /** How long requests of a task are kept. */
  keptMs(task: string): number
}

/**
 * Requests of one reporter, composite and day that arrived together. One document instead of hundreds: it is written,
 * indexed and replicated once, and each row is still found by its id and by its conversation.
 */
export interface RequestBucket extends BucketHead {
  /** Of the rows, each once; unique over all buckets, which is what makes a repeated delivery add nothing. */
  readonly ids: readonly string[]
  /** Of the rows, as `conversationKey` writes them. */
  readonly conversations: readonly string[]
  /** The least and the greatest `at` of the rows. */
  readonly from: number
  readonly to: number
  readonly receivedAt: Date
  readonly expiresAt: Date
  /** The rows in the order of `ids`, as JSON text: written and read several times as fast as documents within the document. */
  readonly rows: string
}

export const requestBucketCollections: readonly CollectionSpec[] = [
  {
    name: 'requestBuckets',
    indexes: [
      { key: { ids: 1 }, unique: true },
      { key: { conversations: 1, from: 1 } },
      { key: { environment: 1, task: 1, to: -1 } },
      { key: { environment: 1, task: 1, composite: 1, to: -1 } },
      { key: { receivedAt: 1 } },
      { key: { expiresAt: 1 }, expireAfterSeconds: 0 },
    ],
  },
]

const dayMs = 24 * 3_600_000
/** A bucket of the longest rows that are taken stays below what a document may hold. */
const maxRows = 500

/** NUL occurs in no id that the SDK resolves; whoever reads compares tenant and conversation all the same. */
export const conversationKey = (tenant: string, conversation: string): string => `${tenant}\0${conversation}`

/** Each request once: where an id comes twice, the first stands. */
export function bucketsOf({ requests, ...delivery }: LogDelivery): RequestBucket[] {
  const seen = new Set<string>()
  const groups = new Map<string, RequestRecord[]>()
  for (const request of requests) {
    if (seen.has(request.requestId)) continue
    seen.add(request.requestId)
    // Rows of one day only, so that one of long ago does not stay as long as those of today.
    const id = `${Math.floor(request.at / dayMs)}/${request.composite}/${request.task}`
    const group = groups.get(id)
    if (group === undefined) groups.set(id, [request])
    else group.push(request)
  }
  return [...groups.values()].flatMap((group) => chunksOf(group, maxRows).map((rows) => bucketOf(rows, delivery)))
}

function bucketOf(requests: readonly RequestRecord[], delivery: Omit<LogDelivery, 'requests'>): RequestBucket {
  const { environment, reporter, receivedAt, keptMs } = delivery
  const [{ task, composite }] = requests as readonly [RequestRecord]
  const conversations = new Set<string>()
  let [from, to] = [Number.POSITIVE_INFINITY, 0]
  for (const { tenant, conversation, at } of requests) {
    conversations.add(conversationKey(tenant, conversation))
    from = Math.min(from, at)
    to = Math.max(to, at)
  }
  return {
    ...{ environment, reporter, task, composite, from, to, receivedAt },
    expiresAt: expiryOf(to, receivedAt, keptMs(task)),
    ids: requests.map(({ requestId }) => requestId),
    conversations: [...conversations],
    rows: JSON.stringify(requests.map((request) => rowFields.map((name) => request[name]))),
  }
}

/** From when it was served. A time that was over before it arrived is of a wrong clock, and the arrival counts instead. */
function expiryOf(servedAt: number, receivedAt: Date, keptMs: number): Date {
  const expiresAt = servedAt + keptMs
  return new Date(expiresAt > receivedAt.getTime() ? expiresAt : receivedAt.getTime() + keptMs)
}

function chunksOf<T>(items: readonly T[], size: number): T[][] {
  const chunks: T[][] = []
  for (let from = 0; from < items.length; from += size) chunks.push(items.slice(from, from + size))
  return chunks
}

export function requestsIn({ environment, reporter, task, composite, ids, rows }: RequestBucket): LoggedRequest[] {
  return (JSON.parse(rows) as unknown[][]).map((values, index) => {
    const request: Record<string, unknown> = { requestId: ids[index], environment, reporter, task, composite }
    // What a row does not say became null in the text.
    for (const [place, value] of values.entries()) if (value !== null) request[rowFields[place] ?? ''] = value
    return request as unknown as LoggedRequest
  })
}

/** The bucket without some of its requests; undefined where none is left. */
export function withoutIds(bucket: RequestBucket, known: ReadonlySet<string>): RequestBucket | undefined {
  const rest = requestsIn(bucket).filter(({ requestId }) => !known.has(requestId))
  const keptMs = bucket.expiresAt.getTime() - bucket.to
  return rest.length === 0 ? undefined : bucketOf(rest, { ...bucket, keptMs: () => keptMs })
}
