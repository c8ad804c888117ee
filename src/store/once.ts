import type { ClientSession } from 'mongodb'
import type { CollectionSpec, Database } from './database'

interface DoneDocument {
  readonly _id: string
  /** JSON: the result may have names that MongoDB reads otherwise. Absent where there is none. */
  readonly result?: string
  readonly at: Date
}

/** As long as the answers to idempotency keys. */
const retentionSeconds = 24 * 3600

export const onceCollections: readonly CollectionSpec[] = [
  { name: 'done', indexes: [{ key: { at: 1 }, expireAfterSeconds: retentionSeconds }] },
]

/** What was done under the key; undefined where nothing was, or nothing to be told. */
export async function doneUnder<T>(database: Database, key: string): Promise<T | undefined> {
  const before = await database.collection<DoneDocument>('done').findOne({ _id: key })
  return before?.result === undefined ? undefined : (JSON.parse(before.result) as T)
}

/**
 * A transaction that happens once under a key, however often it is asked for: a call whose process died before it answered
 * finds, when it is sent again, what it did, whatever happened since. Without a key every call is another one. The result
 * must be a JSON value or nothing.
 */
export function once<T>(
  database: Database,
  key: string | undefined,
  work: (session: ClientSession) => Promise<T>,
): Promise<T> {
  if (key === undefined) return database.transact(work)
  const done = database.collection<DoneDocument>('done')
  return database.transact(async (session) => {
    const before = await done.findOne({ _id: key }, { session })
    if (before !== null) return (before.result === undefined ? undefined : JSON.parse(before.result)) as T
    const result = await work(session)
    const kept = result === undefined ? {} : { result: JSON.stringify(result) }
    await done.insertOne({ _id: key, ...kept, at: new Date(await database.now(session)) }, { session })
    return result
  })
}
