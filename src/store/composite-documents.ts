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
  /** When it was last composed again, evaluated or deployed: its stored outputs are in use. */
  usedAt?: Date
  /** Counts batches of stored outputs that retention dropped: written with each, so that a use at the same time is noticed. */
  outputDrops?: number
  origin?: Origin
}

export const compositeCollections: readonly CollectionSpec[] = [
  {
    name: 'composites',
    indexes: [
      { key: { 'pins.digest': 1 } },
      { key: { closure: 1 } },
      { key: { parents: 1 } },
      { key: { createdAt: 1 } },
      { key: { usedAt: 1 } },
    ],
  },
]
