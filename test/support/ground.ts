import { createSecretKey, randomBytes } from 'node:crypto'
import { openStore, type Store } from '../../src/store/store'
import { lendDatabase } from './databases'

/** Set by jest's global set-up, from running servers or from those it started. */
export function groundAddress(name: 'MONGODB_URI' | 'TEMPORAL_ADDRESS'): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: run tests with npm test, which starts the servers.`)
  return value
}

/** A store on an empty database of its own; `drop` gives it up once nothing writes to it any more. */
export async function testStore(
  mongodbUri = groundAddress('MONGODB_URI'),
): Promise<{ store: Store; drop(): Promise<void> }> {
  const database = await lendDatabase(mongodbUri)
  const captureKeys = [createSecretKey(randomBytes(32))]
  const store = await openStore(mongodbUri, database.name, { captureKeys })
  return {
    store,
    async drop() {
      await store.database.close()
      await database.giveBack()
    },
  }
}
