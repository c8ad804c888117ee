import { randomUUID } from 'node:crypto'
import { type Db, MongoClient } from 'mongodb'

/**
 * Databases that test files lend each other: to create the collections and indexes of one, and to drop them, costs
 * MongoDB more than a second of CPU; to empty them, hundredths of it.
 */
export interface LentDatabase {
  readonly name: string
  /** Called once nothing writes to it any more. */
  giveBack(): Promise<void>
}

interface Free {
  readonly _id: string
  readonly since: Date
}

/** Of one jest run: the code of another may have made other indexes. */
const poolVariable = 'SLUICE_TEST_POOL'
/** More documents are dropped faster than deleted. */
const maxDeleted = 20_000

export function openPool(): void {
  process.env[poolVariable] ??= `test_pool_${randomUUID().slice(0, 8)}`
}

/** Drops the databases that nobody has. */
export async function dropPool(mongodbUri: string): Promise<void> {
  const pool = process.env[poolVariable]
  if (pool === undefined) return
  delete process.env[poolVariable]
  await connected(mongodbUri, async (client) => {
    for (const { _id } of await freeOf(client, pool).find().toArray()) await client.db(_id).dropDatabase()
    await client.db(pool).dropDatabase()
  })
}

/** An empty database that nobody else has; a new one where none is free. */
export function lendDatabase(mongodbUri: string): Promise<LentDatabase> {
  return connected(mongodbUri, async (client) => {
    const name = (await takeFree(client)) ?? `test_${randomUUID().slice(0, 13).replace('-', '')}`
    let isLent = true
    return {
      name,
      async giveBack() {
        if (!isLent) return
        isLent = false
        await connected(mongodbUri, (later) => giveBack(later, name))
      },
    }
  })
}

async function takeFree(client: MongoClient): Promise<string | undefined> {
  const pool = process.env[poolVariable]
  if (pool === undefined) return undefined
  for (;;) {
    // The one that was idle longest: what still wrote to it has most likely ended.
    const taken = await freeOf(client, pool).findOneAndDelete({}, { sort: { since: 1 } })
    if (taken === null) return undefined
    const db = client.db(taken._id)
    const written = await firstWritten(db)
    if (written === undefined) return taken._id
    process.stderr.write(`A test gave back ${taken._id} and went on writing to ${written}; it is dropped.\n`)
    await db.dropDatabase()
  }
}

/** A collection that is not empty. */
async function firstWritten(db: Db): Promise<string | undefined> {
  for (const name of await namesOf(db)) {
    if ((await db.collection(name).findOne()) !== null) return name
  }
  return undefined
}

async function giveBack(client: MongoClient, name: string): Promise<void> {
  const pool = process.env[poolVariable]
  const db = client.db(name)
  const collections = await namesOf(db)
  const counts = await Promise.all(collections.map((one) => db.collection(one).estimatedDocumentCount()))
  if (pool === undefined || counts.reduce((sum, count) => sum + count, 0) > maxDeleted) {
    await db.dropDatabase()
    return
  }
  for (const collection of collections) await db.collection(collection).deleteMany({})
  await freeOf(client, pool).insertOne({ _id: name, since: new Date() })
}

const freeOf = (client: MongoClient, pool: string) => client.db(pool).collection<Free>('free')

async function namesOf(db: Db): Promise<readonly string[]> {
  const collections = await db.listCollections({}, { nameOnly: true }).toArray()
  return collections.map(({ name }) => name)
}

async function connected<T>(mongodbUri: string, work: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(mongodbUri, { serverSelectionTimeoutMS: 10_000 })
  try {
    return await work(await client.connect())
  } finally {
    await client.close()
  }
}
