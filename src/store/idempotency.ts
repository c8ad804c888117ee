import type { Digest } from '../domain/version'
import { assert } from '../errors'
import type { CollectionSpec, Database } from './database'

/** An answer as it went over the wire. */
export interface StoredAnswer {
  readonly status: number
  readonly type: string
  readonly body: string
}

/** Who runs a request; unique to one attempt. */
export interface Attempt {
  /** Names the caller and the key. */
  readonly id: string
  /** Digest of method, path and body. */
  readonly request: Digest
  readonly owner: string
}

export type Claim =
  /** This attempt is the one that runs; `startedAt` is of the first one under its key, milliseconds since the epoch. */
  | { readonly state: 'run'; readonly startedAt: number }
  | { readonly state: 'answered'; readonly answer: StoredAnswer }
  /** Another attempt runs now. */
  | { readonly state: 'busy' }
  /** The key was used for another request. */
  | { readonly state: 'conflict' }

/** Answers by idempotency key: the same key and request get the same answer and run once. */
export interface IdempotencyStore {
  claim(attempt: Attempt): Promise<Claim>
  /** Says that the attempt still runs; without it another may take over after `leaseMs`. */
  renew(attempt: Attempt): Promise<void>
  answer(attempt: Attempt, answer: StoredAnswer): Promise<void>
  /** Forgets an attempt that came to nothing, so that the next one runs. */
  release(attempt: Attempt): Promise<void>
}

export const leaseMs = 15_000
const retentionSeconds = 24 * 3600

interface IdempotencyDocument {
  _id: string
  request: Digest
  owner: string
  leaseUntil: Date
  startedAt: Date
  answer?: StoredAnswer
}

export const idempotencyCollections: readonly CollectionSpec[] = [
  { name: 'idempotency', indexes: [{ key: { startedAt: 1 }, expireAfterSeconds: retentionSeconds }] },
]

export function createIdempotencyStore(database: Database): IdempotencyStore {
  const collection = database.collection<IdempotencyDocument>('idempotency')
  const mine = ({ id, owner }: Attempt) => ({ _id: id, owner, answer: { $exists: false } })
  const lease = { $add: ['$$NOW', leaseMs] }
  return {
    async claim(attempt) {
      const standing = await collection.findOneAndUpdate({ _id: attempt.id }, firstClaim(attempt), {
        upsert: true,
        returnDocument: 'after',
      })
      assert(standing !== null, 'an upsert that returns the document after it finds one')
      const run = { state: 'run', startedAt: standing.startedAt.getTime() } as const
      if (standing.owner === attempt.owner) return run
      if (standing.request !== attempt.request) return { state: 'conflict' }
      if (standing.answer) return { state: 'answered', answer: standing.answer }
      const abandoned = { ...mine({ ...attempt, owner: standing.owner }), $expr: { $lt: ['$leaseUntil', '$$NOW'] } }
      const taken = await collection.updateOne(abandoned, [{ $set: { owner: attempt.owner, leaseUntil: lease } }])
      return taken.modifiedCount === 1 ? run : { state: 'busy' }
    },
    async renew(attempt) {
      await collection.updateOne(mine(attempt), [{ $set: { leaseUntil: lease } }])
    },
    async answer(attempt, answer) {
      await collection.updateOne(mine(attempt), { $set: { answer } })
    },
    async release(attempt) {
      await collection.deleteOne(mine(attempt))
    },
  }
}

/** Writes the claim where there is none and leaves a standing one as it is, in one atomic step. */
function firstClaim({ request, owner }: Attempt): Record<string, unknown>[] {
  const unlessSet = (field: string, value: unknown) => ({ $ifNull: [`$${field}`, value] })
  return [
    {
      $set: {
        request: unlessSet('request', request),
        owner: unlessSet('owner', owner),
        leaseUntil: unlessSet('leaseUntil', { $add: ['$$NOW', leaseMs] }),
        startedAt: unlessSet('startedAt', '$$NOW'),
      },
    },
  ]
}
