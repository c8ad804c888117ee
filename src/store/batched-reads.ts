import { createSlots } from '../engines'

/** Ids of one round trip at most. */
const maxBatch = 500
/** Batches under way at the same time. */
const maxUnderWay = 2

/**
 * Reads by id of many callers in few round trips: while some batches are under way the next one gathers, so that a single
 * caller waits no longer than without it. What is read is never older than the call.
 */
export interface BatchedReads<V> {
  /** Undefined where there is nothing of this id. */
  read(id: string): Promise<V | undefined>
}

interface Gathered<V> {
  readonly ids: Set<string>
  readonly found: Promise<ReadonlyMap<string, V>>
}

export function batchedReads<V>(readAll: (ids: readonly string[]) => Promise<ReadonlyMap<string, V>>): BatchedReads<V> {
  const slots = createSlots(maxUnderWay)
  let gathering: Gathered<V> | undefined
  const gather = (): Gathered<V> => {
    const ids = new Set<string>()
    const send = async (): Promise<ReadonlyMap<string, V>> => {
      const leave = await slots.enter()
      // Whoever asks in the same turn still comes along; from here on the next batch gathers.
      await Promise.resolve()
      if (gathering?.ids === ids) gathering = undefined
      return readAll([...ids]).finally(leave)
    }
    return { ids, found: send() }
  }
  return {
    async read(id) {
      if (gathering === undefined || gathering.ids.size >= maxBatch) gathering = gather()
      gathering.ids.add(id)
      return (await gathering.found).get(id)
    },
  }
}
