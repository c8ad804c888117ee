import type { ClientSession } from 'mongodb'
import type { Digest } from '../domain/version'
import type { CompositeDocument } from './composite-documents'
import type { Database } from './database'
import type { VersionDocument } from './version-documents'
import { markUsed } from './version-uses'

/** A mark this young is as good, and does not make two releases of one composite wait for each other. */
const freshMs = 60_000

/**
 * Marks a composite and all that it rests on as used, with the immediate parents of both: from here on they are kept for
 * ever, should it be deployed. One that is not committed here rests on nothing. Throws content_dropped.
 */
export async function markCompositeUsed(database: Database, id: Digest, session?: ClientSession): Promise<void> {
  const options = session ? { session } : {}
  const composites = database.collection<CompositeDocument>('composites')
  const composite = await composites.findOne({ _id: id }, options)
  if (composite === null) return
  const parents = await composites
    .find({ _id: { $in: composite.parents ?? [] } }, { ...options, projection: { pins: 1 } })
    .toArray()
  const versions = await database
    .collection<VersionDocument>('versions')
    .find({ digest: { $in: composite.closure ?? [] } }, { ...options, projection: { parents: 1 } })
    .toArray()
  const digests = composite.pins.map(({ digest }) => digest)
  const ancestors = [
    ...versions.flatMap((version) => version.parents),
    ...parents.flatMap(({ pins }) => pins.map(({ digest }) => digest)),
  ]
  await markUsed(database, { digests, ancestors: [...new Set(ancestors)] }, session)
  const now = new Date(await database.now(session))
  const stale = {
    _id: id,
    $or: [{ usedAt: { $exists: false } }, { usedAt: { $lt: new Date(now.getTime() - freshMs) } }],
  }
  await composites.updateOne(stale, { $max: { usedAt: now } }, options)
}
