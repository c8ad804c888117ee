import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import { drawKey, type KeyRole, keyIdOf } from './api-key'
import type { CollectionSpec, Database } from './database'

interface KeyDocument {
  /** SHA-256 of the key, as hex. */
  _id: string
  name: string
  role: KeyRole
  createdAt: Date
  createdBy?: string
  revokedAt?: Date
  revokedBy?: string
}

/** What is known of a key. `id` is its SHA-256; times are milliseconds since the epoch. */
export interface KnownKey {
  readonly id: Digest
  readonly name: string
  readonly role: KeyRole
  readonly createdAt: number
  readonly createdBy?: string
  readonly revokedAt?: number
  readonly revokedBy?: string
}

export type KeyHolder = Pick<KnownKey, 'id' | 'name' | 'role'>

/** API keys. A key is known to whoever drew it; here is its SHA-256. */
export interface KeyStore {
  /** Draws one. Throws `invalid_request` for a name that nobody may have. */
  create(name: string, role: KeyRole): Promise<string>
  /** Takes one that was drawn elsewhere, by its id; again is nothing new. Throws `key_exists`, and what `create` does. */
  put(holder: KeyHolder, by?: string): Promise<KnownKey>
  /** Whose key it is; undefined for one that is unknown or revoked. */
  find(key: string): Promise<KeyHolder | undefined>
  /** By id, revoked ones too. */
  list(page: { readonly after?: Digest; readonly limit: number }): Promise<readonly KnownKey[]>
  /** For good, and at once; the first revocation stands. Throws `not_found`. */
  revoke(id: Digest, by: string): Promise<KnownKey>
  /** Those of these that are revoked. */
  revokedOf(ids: Iterable<Digest>): Promise<ReadonlySet<Digest>>
}

export const keyCollections: readonly CollectionSpec[] = [{ name: 'keys' }]

const hexOf = (id: Digest): string => id.slice('sha256:'.length)

export function createKeyStore(database: Database): KeyStore {
  const keys = database.collection<KeyDocument>('keys')
  const read = async (id: Digest): Promise<KeyDocument> => {
    const row = await keys.findOne({ _id: hexOf(id) })
    if (row === null) throw new SluiceError('not_found', `No API key has the id ${id}.`)
    return row
  }
  const put: KeyStore['put'] = async ({ id, name, role }, by) => {
    // What the product does by itself is signed so: such a key would be believed what it is not.
    if (name.toLowerCase() === 'sluice') {
      throw new SluiceError(
        'invalid_request',
        'No key is named sluice: the product itself signs so. Name it otherwise.',
      )
    }
    const createdAt = new Date(await database.now())
    const fresh = { name, role, createdAt, ...(by === undefined ? {} : { createdBy: by }) }
    await keys.updateOne({ _id: hexOf(id) }, { $setOnInsert: fresh }, { upsert: true })
    const row = await read(id)
    if (row.name !== name || row.role !== role || row.revokedAt) {
      const text = row.revokedAt ? 'was revoked' : `is the ${row.role} key of ${row.name}`
      throw new SluiceError('key_exists', `The key ${id} ${text}.`)
    }
    return known(row)
  }
  return {
    put,
    async create(name, role) {
      const key = drawKey(role)
      await put({ id: keyIdOf(key), name, role })
      return key
    },
    async find(key) {
      const id = keyIdOf(key)
      const row = await keys.findOne({ _id: hexOf(id), revokedAt: { $exists: false } })
      return row === null ? undefined : { id, name: row.name, role: row.role }
    },
    async list({ after, limit }) {
      const filter = after === undefined ? {} : { _id: { $gt: hexOf(after) } }
      return (await keys.find(filter).sort({ _id: 1 }).limit(limit).toArray()).map(known)
    },
    async revoke(id, by) {
      const set = { $set: { revokedBy: by }, $currentDate: { revokedAt: true } } as const
      await keys.updateOne({ _id: hexOf(id), revokedAt: { $exists: false } }, set)
      return known(await read(id))
    },
    async revokedOf(ids) {
      const filter = { _id: { $in: [...new Set(ids)].map(hexOf) }, revokedAt: { $exists: true } }
      const rows = await keys.find(filter, { projection: { _id: 1 } }).toArray()
      return new Set(rows.map(({ _id }): Digest => `sha256:${_id}`))
    },
  }
}

const known = ({ _id, createdAt, revokedAt, ...row }: KeyDocument): KnownKey => ({
  id: `sha256:${_id}`,
  ...row,
  createdAt: createdAt.getTime(),
  ...(revokedAt === undefined ? {} : { revokedAt: revokedAt.getTime() }),
})
