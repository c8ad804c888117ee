import { MongoServerError } from 'mongodb'
import type { CollectionSpec, Database } from './database'

/** One holder at a time for work that any server may do. The holder renews by taking it again. */
export interface Leases {
  /** True where `holder` has the lease now, for `forMs` by the store's clock. */
  take(name: string, holder: string, forMs: number): Promise<boolean>
}

export const leaseCollections: readonly CollectionSpec[] = [{ name: 'leases' }]

const duplicateKey = 11_000

export function createLeases(database: Database): Leases {
  const leases = database.collection<{ _id: string; holder: string; until: Date }>('leases')
  return {
    async take(name, holder, forMs) {
      const now = await database.now()
      const free = { _id: name, $or: [{ holder }, { until: { $lt: new Date(now) } }] }
      try {
        await leases.updateOne(free, { $set: { holder, until: new Date(now + forMs) } }, { upsert: true })
        return true
      } catch (error) {
        if (error instanceof MongoServerError && error.code === duplicateKey) return false
        throw error
      }
    },
  }
}
