import type { ClientSession, Collection, CommandStartedEvent, Document } from 'mongodb'
import type { Database } from '../../../src/store/database'

/** What every call to the store throws once its process is dead. */
export class ProcessDied extends Error {}

/** Writes, one operation each. */
const single = new Set(['insertOne', 'updateOne', 'replaceOne', 'deleteOne', 'findOneAndUpdate'])
/** Writes of many documents: outside a transaction the process, or MongoDB, may die in the middle of one. */
const many = new Set(['insertMany', 'bulkWrite', 'updateMany', 'deleteMany'])
/** Ways to write that the product does not use; a use of one has to be cut here first. */
const unknown = new Set(['findOneAndReplace', 'findOneAndDelete', 'initializeOrderedBulkOp', 'rename', 'drop'])
const writing = new Set(['insert', 'update', 'delete', 'findAndModify', 'bulkWrite', 'commitTransaction'])

/** A database whose process dies at a chosen point between, or within, its writes. */
export interface CutDatabase {
  readonly database: Database
  /** Points at which it could have died so far. */
  points(): number
  isDead(): boolean
  /** Write commands on the wire that no counted call made: each is a hole in the cutting. */
  readonly strays: readonly string[]
  end(): void
}

type Method = (...args: unknown[]) => unknown

/** Dies at the point of this number; absent: never. The connection must have been opened with `monitorCommands`. */
export function cutDatabase(real: Database, dieAt = Number.POSITIVE_INFINITY): CutDatabase {
  const life = new Life(dieAt)
  const strays: string[] = []
  const onCommand = ({ commandName }: CommandStartedEvent): void => {
    if (writing.has(commandName) && life.underWay === 0) strays.push(commandName)
  }
  real.client.on('commandStarted', onCommand)
  const collection = <T extends Document>(name: string) => cutCollection(real.collection<T>(name), life)
  const database: Database = {
    ...real,
    collection,
    now: (session) => {
      life.assertAlive()
      return real.now(session)
    },
    transact: (work) => transact(real, life, work),
  }
  return {
    database,
    points: () => life.points,
    isDead: () => life.dead,
    strays,
    end: () => real.client.off('commandStarted', onCommand),
  }
}

class Life {
  points = 0
  dead = false
  underWay = 0
  private readonly dieAt: number

  constructor(dieAt: number) {
    this.dieAt = dieAt
  }

  assertAlive(): void {
    if (this.dead) throw new ProcessDied('the process is dead')
  }

  /** One more point; true where the process dies here. */
  dies(): boolean {
    this.assertAlive()
    this.dead = this.points === this.dieAt
    this.points += 1
    return this.dead
  }

  async write<T>(work: () => Promise<T>): Promise<T> {
    this.underWay += 1
    try {
      return await work()
    } finally {
      this.underWay -= 1
    }
  }
}

/** The commit is a write of its own: dying before it leaves nothing of the transaction. */
function transact<T>(real: Database, life: Life, work: (session: ClientSession) => Promise<T>): Promise<T> {
  life.assertAlive()
  return life.write(() =>
    real.transact(async (session) => {
      const result = await work(session)
      if (life.dies()) throw new ProcessDied('died before a commit')
      return result
    }),
  )
}

function cutCollection<T extends Document>(real: Collection<T>, life: Life): Collection<T> {
  return new Proxy(real, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      const method = (value as Method).bind(target)
      const called = String(name)
      if (unknown.has(called)) throw new Error(`test/support/cuts does not cut ${called} yet`)
      if (!single.has(called) && !many.has(called)) {
        return (...args: unknown[]) => {
          life.assertAlive()
          return method(...args)
        }
      }
      return (...args: unknown[]) =>
        life.write(async () => {
          if (life.dies()) throw new ProcessDied(`died before ${called} of ${real.collectionName}`)
          if (many.has(called) && !isInTransaction(args))
            await halved(real as unknown as Collection, life, called, args)
          return method(...args)
        })
    },
  })
}

const isInTransaction = (args: readonly unknown[]): boolean =>
  args.some((one) => (one as { session?: unknown } | undefined)?.session !== undefined)

/** Dies after the first half of a write of many documents. */
async function halved(real: Collection, life: Life, called: string, args: readonly unknown[]): Promise<void> {
  const half = await halfOf(real, args)
  if (half === undefined || !life.dies()) return
  const method = (Reflect.get(real, called, real) as Method).bind(real)
  // What the whole would have refused (a duplicate) the half may refuse too; the process is gone either way.
  await Promise.resolve(method(...half)).catch(() => undefined)
  throw new ProcessDied(`died within ${called} of ${real.collectionName}`)
}

/** The arguments for the first half; undefined where there is only one document. */
async function halfOf(real: Collection, [first, ...rest]: readonly unknown[]): Promise<readonly unknown[] | undefined> {
  if (Array.isArray(first)) return first.length < 2 ? undefined : [first.slice(0, Math.ceil(first.length / 2)), ...rest]
  const found = await real.find(first as Document, { projection: { _id: 1 } }).toArray()
  if (found.length < 2) return undefined
  const ids = found.slice(0, Math.ceil(found.length / 2)).map(({ _id }) => _id)
  return [{ $and: [first, { _id: { $in: ids } }] }, ...rest]
}
