import type { ClientSession, Collection, Document } from 'mongodb'
import type { Database } from '../../src/store/database'

/** Where something else happens: before the nth transaction begins, or in it, after its reads and before its first write. */
export interface Moment {
  readonly transaction: number
  readonly place: 'before' | 'within'
}

const writes = ['updateOne', 'updateMany', 'deleteOne', 'deleteMany', 'bulkWrite']

/** The same database, on which `happen` runs once, at a moment. `reached` tells whether it came to that. */
export function interposed(database: Database, moment: Moment, happen: () => Promise<void>) {
  let begun = 0
  let reached = false
  const once = async () => {
    if (reached) return
    reached = true
    await happen()
  }
  const writing = <T extends Document>(collection: Collection<T>): Collection<T> =>
    new Proxy(collection, {
      get(target, name, receiver) {
        const method: unknown = Reflect.get(target, name, receiver)
        if (typeof method !== 'function') return method
        if (!writes.includes(String(name))) return method.bind(target)
        return async (...given: unknown[]) => {
          const options = given.at(-1) as { session?: ClientSession } | undefined
          const isNow = options?.session !== undefined && begun === moment.transaction + 1
          if (isNow && moment.place === 'within') await once()
          return method.apply(target, given)
        }
      },
    })
  const proxied: Database = {
    ...database,
    collection: (name) => writing(database.collection(name)),
    async transact(work) {
      if (begun === moment.transaction && moment.place === 'before') await once()
      begun += 1
      return database.transact(work)
    },
  }
  return { database: proxied, reached: () => reached }
}
