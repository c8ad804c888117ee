import { isDeepStrictEqual } from 'node:util'
import {
  type ClientSession,
  type Collection,
  type CollectionInfo,
  type Db,
  type Document,
  MongoClient,
  MongoServerError,
} from 'mongodb'
import { SluiceError } from '../errors'

/** How an aggregate declares what it keeps; `prepare` creates it idempotently. */
export interface CollectionSpec {
  readonly name: string
  readonly indexes?: readonly {
    key: Record<string, 1 | -1>
    unique?: boolean
    expireAfterSeconds?: number
    partial?: Document
  }[]
  /** `$jsonSchema` validator, where the collection is a ledger. */
  readonly validator?: Document
}

/** One connection to the product's database: majority writes, snapshot transactions, the store's own clock. */
export interface Database {
  readonly client: MongoClient
  readonly db: Db
  collection<T extends Document>(name: string): Collection<T>
  /** Runs `work` in one transaction; retried by the driver on transient conflicts, so `work` must be repeatable. */
  transact<T>(work: (session: ClientSession) => Promise<T>): Promise<T>
  /** The store's clock, milliseconds since the epoch. */
  now(session?: ClientSession): Promise<number>
  prepare(specs: readonly CollectionSpec[]): Promise<void>
  close(): Promise<void>
}

export async function openDatabase(uri: string, name: string): Promise<Database> {
  const client = new MongoClient(uri, {
    writeConcern: { w: 'majority', j: true },
    readConcern: { level: 'majority' },
    retryWrites: true,
    serverSelectionTimeoutMS: 10_000,
    ignoreUndefined: true,
  })
  await client.connect()
  const db = client.db(name)
  return {
    client,
    db,
    collection: (collection) => db.collection(collection),
    transact: (work) => transact(client, work),
    now: (session) => storeNow(db, session),
    prepare: (specs) => prepare(db, specs),
    close: () => client.close(),
  }
}

async function transact<T>(client: MongoClient, work: (session: ClientSession) => Promise<T>): Promise<T> {
  const session = client.startSession()
  try {
    return await session.withTransaction(() => work(session), {
      readConcern: { level: 'snapshot' },
      writeConcern: { w: 'majority', j: true },
      readPreference: 'primary',
    })
  } finally {
    await session.endSession()
  }
}

async function storeNow(db: Db, session?: ClientSession): Promise<number> {
  const pipeline = [{ $documents: [{}] }, { $project: { now: '$$NOW' } }]
  const [row] = await db.aggregate<{ now: Date }>(pipeline, session ? { session } : {}).toArray()
  if (!row) throw new SluiceError('store_unavailable', 'MongoDB did not tell its time.')
  return row.now.getTime()
}

const namespaceExists = 48

async function prepare(db: Db, specs: readonly CollectionSpec[]): Promise<void> {
  const standing = new Map<string, Document>()
  for await (const { name, options } of db.listCollections<CollectionInfo>()) standing.set(name, options ?? {})
  for (const spec of specs) {
    await prepareCollection(db, spec, standing.get(spec.name))
    const indexes = (spec.indexes ?? []).map(({ key, unique, expireAfterSeconds, partial }) => ({
      key,
      ...(unique ? { unique } : {}),
      ...(expireAfterSeconds === undefined ? {} : { expireAfterSeconds }),
      ...(partial ? { partialFilterExpression: partial } : {}),
    }))
    if (indexes.length > 0) await db.collection(spec.name).createIndexes(indexes)
  }
}

async function prepareCollection(
  db: Db,
  { name, validator }: CollectionSpec,
  standing: Document | undefined,
): Promise<void> {
  if (standing === undefined) {
    try {
      await db.createCollection(name, validator ? { validator } : {})
      return
    } catch (error) {
      // Another process was faster, and may be of another version.
      if (!(error instanceof MongoServerError && error.code === namespaceExists)) throw error
    }
  }
  if (validator && !isDeepStrictEqual(standing?.validator, validator)) {
    await db.command({ collMod: name, validator })
  }
}
