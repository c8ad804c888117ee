import type { Database } from './database'
import type { LoggedRequest } from './request-buckets'
import { defaultRequestDays, RequestLog } from './request-log'

/** A row of the request log as it was kept before rows came in buckets. */
type RequestDocument = Omit<LoggedRequest, 'requestId'> & { _id: string; receivedAt: Date }

const page = 1_000
const keptMs = defaultRequestDays * 24 * 3_600_000

/**
 * Brings what older versions stored into the shape that this one reads. Safe to be cut off, and to run in several
 * processes at once. Costs one look where there is nothing to do.
 */
export async function migrate(database: Database): Promise<void> {
  await moveRequests(database)
}

/** Written before they are deleted, and written once by id: cut off in between, the next run moves them again. */
async function moveRequests(database: Database): Promise<void> {
  const rows = database.collection<RequestDocument>('requests')
  const log = new RequestLog(database)
  // Each page deletes what it read, so it ends with the collection.
  for (;;) {
    const found = await rows.find().limit(page).toArray()
    if (found.length === 0) return
    const deliveries = new Map<string, LoggedRequest[]>()
    for (const { _id, receivedAt: _r, ...row } of found) {
      const id = `${row.environment}/${row.reporter}`
      deliveries.set(id, [...(deliveries.get(id) ?? []), { requestId: _id, ...row }])
    }
    const receivedAt = new Date(Math.min(...found.map((row) => row.receivedAt.getTime())))
    for (const requests of deliveries.values()) {
      const [{ environment, reporter }] = requests as [LoggedRequest]
      await log.append({ environment, reporter, requests, receivedAt, keptMs: () => keptMs })
    }
    await rows.deleteMany({ _id: { $in: found.map(({ _id }) => _id) } })
  }
}
