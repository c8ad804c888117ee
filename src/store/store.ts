import { channelCollections } from './channels'
import { type Database, openDatabase } from './database'
import { createKeyStore, type KeyStore, keyCollections } from './keys'
import { createOutbox, type Outbox, outboxCollections } from './outbox'
import { snapshotIndexes } from './snapshots'
import { createTelemetry, type Telemetry, telemetryCollections } from './telemetry'

/** Every aggregate on one database. A store module adds its line here and its collections below. */
export interface Store {
  readonly database: Database
  readonly keys: KeyStore
  readonly outbox: Outbox
  readonly telemetry: Telemetry
}

const collections = [
  ...keyCollections,
  ...outboxCollections,
  ...channelCollections,
  ...telemetryCollections,
  ...snapshotIndexes,
]

/** Connects, creates collections and indexes (safe from several processes at once), and wires the aggregates. */
export async function openStore(uri: string, name: string): Promise<Store> {
  const database = await openDatabase(uri, name)
  await database.prepare(collections)
  return {
    database,
    keys: createKeyStore(database),
    outbox: createOutbox(database),
    telemetry: createTelemetry(database),
  }
}
