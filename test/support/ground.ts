import { createSecretKey, randomBytes, randomUUID } from 'node:crypto'
import { openStore, type Store } from '../../src/store/store'

/** Set by jest's global set-up, from running servers or from those it started. */
export function groundAddress(name: 'MONGODB_URI' | 'TEMPORAL_ADDRESS'): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: run tests with npm test, which starts the servers.`)
  return value
}

/** A store on a database of its own; `drop` removes it. */
export async function testStore(
  mongodbUri = groundAddress('MONGODB_URI'),
): Promise<{ store: Store; drop(): Promise<void> }> {
  const name = `test_${randomUUID().slice(0, 13).replace('-', '')}`
  const captureKeys = [createSecretKey(randomBytes(32))]
  const store = await openStore(mongodbUri, name, { captureKeys })
  return {
    store,
    async drop() {
      await store.database.db.dropDatabase()
      await store.database.close()
    },
  }
}
