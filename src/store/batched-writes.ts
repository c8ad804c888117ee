import { type AnyBulkWriteOperation, type Collection, type Document, MongoBulkWriteError } from 'mongodb'
import { createSlots } from '../engines'

/** Writes of one round trip at most. */
const maxBatch = 500
/** Batches under way at the same time: one that is slow does not hold up the others. */
const maxUnderWay = 4
const maxTries = 3
const duplicateKey = 11_000

type Write<T extends Document> = AnyBulkWriteOperation<T>

/**
 * Small writes of many callers in few round trips: while some batches are under way the next one gathers, so that a single
 * caller waits no longer than without it. Each write must stand for itself: a batch has no order.
 */
export interface BatchedWrites<T extends Document> {
  /** Resolves when the write is durable. */
  write(operation: Write<T>): Promise<void>
}

interface Gathered<T extends Document> {
  readonly operations: Write<T>[]
  readonly written: Promise<void>
}

export function batchedWrites<T extends Document>(collection: Collection<T>): BatchedWrites<T> {
  const slots = createSlots(maxUnderWay)
  let gathering: Gathered<T> | undefined
  const gather = (): Gathered<T> => {
    const operations: Write<T>[] = []
    const send = async (): Promise<void> => {
      const leave = await slots.enter()
      if (gathering?.operations === operations) gathering = undefined
      await writeAll(collection, operations).finally(leave)
    }
    return { operations, written: send() }
  }
  return {
    write(operation) {
      if (gathering === undefined || gathering.operations.length >= maxBatch) gathering = gather()
      gathering.operations.push(operation)
      return gathering.written
    },
  }
}

/** Two processes may insert the same document at once: the loser of the race writes again, and finds it. */
async function writeAll<T extends Document>(
  collection: Collection<T>,
  operations: readonly Write<T>[],
  tries = maxTries,
): Promise<void> {
  try {
    await collection.bulkWrite([...operations], { ordered: false })
  } catch (error) {
    const faults = error instanceof MongoBulkWriteError ? [error.writeErrors].flat() : []
    const raced = faults.length > 0 && faults.every(({ code }) => code === duplicateKey)
    if (!raced || tries <= 1) throw error
    await writeAll(
      collection,
      faults.flatMap(({ index }) => operations[index] ?? []),
      tries - 1,
    )
  }
}
