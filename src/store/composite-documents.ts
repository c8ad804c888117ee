import type { Digest, KindName, Origin } from '../domain/version'
import type { CollectionSpec } from './database'

/** One committed composite. */
export interface CompositeDocument {
  _id: Digest
  /** Sorted by role. A list, since roles may hold dots. */
  pins: { role: string; kind: KindName; ref: string; digest: Digest }[]
  /** Digests of all versions that it rests on: what serves or was tested is found by these. */
  closure: Digest[]
  /** Each was committed before it, so no way leads back. */
  parents: Digest[]
  createdAt: Date
  origin?: Origin
}

export const compositeCollections: readonly CollectionSpec[] = [
  { name: 'composites', indexes: [{ key: { 'pins.digest': 1 } }, { key: { closure: 1 } }, { key: { parents: 1 } }] },
]
