import type { ClientSession, Filter } from 'mongodb'
import type { Digest } from '../domain/version'
import { assert } from '../errors'
import type { Database } from './database'
import { contentDropped, type VersionDocument } from './version-documents'

/**
 * Marks younger than this are left as they are. Retention drops nothing that was marked within a day, so there is time
 * to write down what the mark was for; until then it is the only thing that speaks for the version.
 */
const freshMs = 3_600_000
const maxDepth = 32
const maxUsed = 10_000

export interface Used {
  readonly digests: readonly Digest[]
  /** What is kept with them where it is still there: ancestors. */
  readonly ancestors?: readonly Digest[]
}

type Marked = Omit<VersionDocument, 'content'>

/**
 * Whoever is about to depend on versions marks them and all that they refer to, in the transaction of its own write or
 * before it. A collection that runs at the same time then finds the mark, or has come first: throws content_dropped.
 */
export async function markUsed(database: Database, used: Used, session?: ClientSession): Promise<void> {
  const now = await database.now(session)
  const seen = new Set<Digest>()
  let wanted = [...new Set(used.digests)]
  for (let depth = 0; wanted.length > 0; depth += 1) {
    assert(depth <= maxDepth && seen.size + wanted.length <= maxUsed, `at most ${maxUsed} versions are marked at once`)
    for (const digest of wanted) seen.add(digest)
    const found = await marked(database, wanted, now, session)
    const gone = found.find(({ dropped }) => dropped !== undefined)
    if (gone !== undefined) throw contentDropped(gone)
    const next = found.flatMap(({ references }) => references.map(({ digest }) => digest))
    wanted = [...new Set(next)].filter((digest) => !seen.has(digest))
  }
  const ancestors = (used.ancestors ?? []).filter((digest) => !seen.has(digest))
  if (ancestors.length > 0) await marked(database, ancestors, now, session)
}

/** Marks what is not marked freshly, and answers all of them as they are after that. */
async function marked(
  database: Database,
  digests: readonly Digest[],
  now: number,
  session?: ClientSession,
): Promise<readonly Marked[]> {
  const versions = database.collection<VersionDocument>('versions')
  const options = session ? { session } : {}
  const read = () =>
    versions
      .find({ digest: { $in: [...digests] } }, { ...options, projection: { content: 0 } })
      .limit(maxUsed)
      .toArray() as Promise<Marked[]>
  const found = await read()
  const stale = found.filter((version) => version.dropped === undefined && lastUsedAt(version) < now - freshMs)
  if (stale.length === 0) return found
  const standing: Filter<VersionDocument> = { _id: { $in: stale.map(({ _id }) => _id) }, dropped: { $exists: false } }
  const { matchedCount } = await versions.updateMany(standing, { $max: { usedAt: new Date(now) } }, options)
  return matchedCount === stale.length ? found : read()
}

export const lastUsedAt = ({ createdAt, usedAt }: Pick<VersionDocument, 'createdAt' | 'usedAt'>): number =>
  Math.max(createdAt.getTime(), usedAt?.getTime() ?? 0)

/** Versions that nobody marked or registered since. */
export const unusedSince = (cutoff: Date): Filter<VersionDocument> => ({
  createdAt: { $lt: cutoff },
  $or: [{ usedAt: { $exists: false } }, { usedAt: { $lt: cutoff } }],
})
