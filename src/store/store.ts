import { type Database, openDatabase } from './database'
import { createKeyStore, type KeyStore, keyCollections } from './keys'

/** Every aggregate on one database. A store module adds its line here and its collections below. */
export interface Store {
  readonly database: Database
  readonly keys: KeyStore
}

const collections = [...keyCollections]

/** Connects, creates collections and indexes (safe from several processes at once), and wires the aggregates. */
export async function openStore(uri: string, name: string): Promise<Store> {
  const database = await openDatabase(uri, name)
  await database.prepare(collections)
  return { database, keys: createKeyStore(database) }
}
