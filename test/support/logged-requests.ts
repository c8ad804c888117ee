import { bucketsOf, type LoggedRequest, type RequestBucket, requestsIn } from '../../src/store/request-buckets'
import type { Store } from '../../src/store/store'

/** Alters the log behind the product's back, as somebody with access to the database could; `undefined` takes the row out. */
export async function tamperWithRequest(
  store: Store,
  requestId: string,
  change: (request: LoggedRequest) => LoggedRequest | undefined,
): Promise<void> {
  const bucket = await buckets(store).findOne({ ids: requestId })
  if (bucket === null) throw new Error(`${requestId} is not in the request log`)
  const rows = requestsIn(bucket).flatMap((row) => (row.requestId === requestId ? (change(row) ?? []) : row))
  await buckets(store).deleteOne({ _id: bucket._id })
  await put(store, bucket, rows, bucket.receivedAt)
}

/** Moves every request of a lane into the past. */
export async function ageRequests(
  store: Store,
  { environment, task, byMs }: { readonly environment: string; readonly task: string; readonly byMs: number },
): Promise<void> {
  for (const bucket of await buckets(store).find({ environment, task }).toArray()) {
    const aged = requestsIn(bucket).map((row) => ({ ...row, at: row.at - byMs }))
    await buckets(store).deleteOne({ _id: bucket._id })
    await put(store, bucket, aged, new Date(bucket.receivedAt.getTime() - byMs))
  }
}

const buckets = (store: Store) => store.database.collection<RequestBucket>('requestBuckets')

/** Expires when the bucket that was read would have: a test that turns time back must not lose the row. */
async function put(
  store: Store,
  { environment, reporter, expiresAt }: RequestBucket,
  rows: readonly LoggedRequest[],
  receivedAt: Date,
): Promise<void> {
  const altered = bucketsOf({ environment, reporter, requests: rows, receivedAt, keptMs: () => 0 })
  if (altered.length > 0) await buckets(store).insertMany(altered.map((bucket) => ({ ...bucket, expiresAt })))
}
