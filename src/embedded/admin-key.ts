import { chmodSync, readFileSync } from 'node:fs'
import { openStore } from '../store/store'
import { writeAtomically } from './files'

const ownerOnly = 0o600

/** The key in the file if the store knows it as an admin's; else a new one, written for the owner alone. */
export async function ensureAdminKey(mongodbUri: string, database: string, file: string): Promise<string> {
  const store = await openStore(mongodbUri, database)
  try {
    const kept = readKey(file)
    const known = kept === undefined ? undefined : await store.keys.find(kept)
    if (kept !== undefined && known?.role === 'admin') {
      chmodSync(file, ownerOnly)
      return kept
    }
    const key = await store.keys.create('local admin', 'admin')
    writeAtomically(file, `${key}\n`, ownerOnly)
    return key
  } finally {
    await store.database.close()
  }
}

function readKey(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}
