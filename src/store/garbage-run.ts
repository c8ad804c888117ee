import type { ClientSession } from 'mongodb'
import type { GarbageTally, RetentionPolicy } from '../domain/retention'
import type { Database } from './database'

/** What a plan or a run goes by. */
export interface Rules {
  readonly policy: RetentionPolicy
  /** Of the store's clock when the walk began, milliseconds since the epoch. */
  readonly now: number
}

/** One part of a run. */
export interface Collection extends Rules {
  readonly id: string
  readonly by: string
  /** Adds to the totals of the run, in the transaction that drops. Throws RunEnded. */
  count(tally: GarbageTally, session: ClientSession): Promise<void>
  /** Throws where the run is to stop. */
  proceed(): void
}

/** The run was closed while a part of it still worked: nothing is dropped any more. */
export class RunEnded extends Error {
  constructor() {
    super('the run of retention has ended')
  }
}

/** All that a run drops, it drops in here: what goes and what is counted stand together, and a run that ended drops nothing. */
export async function dropIn(
  database: Database,
  run: Collection,
  work: (session: ClientSession) => Promise<GarbageTally>,
): Promise<void> {
  run.proceed()
  await database.transact(async (session) => run.count(await work(session), session))
}

/** Never an empty one. */
export async function* batches<T>(items: AsyncIterable<T>, size: number): AsyncGenerator<readonly T[]> {
  let batch: T[] = []
  for await (const item of items) {
    batch.push(item)
    if (batch.length < size) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
