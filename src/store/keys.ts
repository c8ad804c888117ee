import { createHash, randomBytes } from 'node:crypto'
import type { CollectionSpec, Database } from './database'

export type KeyRole = 'app' | 'admin'

interface KeyDocument {
  _id: string
  name: string
  role: KeyRole
  createdAt: Date
}

/** API keys: shown once, kept as SHA-256 (keys are 256 random bits, so no salt or stretching is needed). */
export interface KeyStore {
  create(name: string, role: KeyRole): Promise<string>
  find(key: string): Promise<{ name: string; role: KeyRole } | undefined>
}

export const keyCollections: readonly CollectionSpec[] = [{ name: 'keys' }]

const hashKey = (key: string): string => createHash('sha256').update(key).digest('hex')

export function createKeyStore(database: Database): KeyStore {
  const keys = database.collection<KeyDocument>('keys')
  return {
    async create(name, role) {
      const key = `sluice_${role}_${randomBytes(32).toString('base64url')}`
      await keys.insertOne({ _id: hashKey(key), name, role, createdAt: new Date() })
      return key
    },
    async find(key) {
      const row = await keys.findOne({ _id: hashKey(key) })
      return row ? { name: row.name, role: row.role } : undefined
    },
  }
}
