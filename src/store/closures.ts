import type { Digest } from '../domain/version'
import { assert, SluiceError } from '../errors'
import { kindOf } from '../kinds'
import type { Database } from './database'
import { readContent, type VersionDocument } from './version-documents'

/** References deeper than this are refused: a tuned model of a tuned model of … has never that many forebears. */
const maxDepth = 32
const maxVersionsRead = 100_000

interface Read {
  readonly content: unknown
  /** What serving may need of what it refers to. */
  readonly targets: readonly Digest[]
}

/** Contents by digest, with all that they refer to. */
export type Closures = ReadonlyMap<Digest, Read>

/** Reads versions and what they refer to, level by level. Datasets, suites and policies change no behaviour: left out. */
export async function readClosures(database: Database, digests: readonly Digest[]): Promise<Closures> {
  const versions = database.collection<VersionDocument>('versions')
  const read = new Map<Digest, Read>()
  let wanted = [...new Set(digests)]
  for (let depth = 0; wanted.length > 0; depth += 1) {
    assert(read.size + wanted.length <= maxVersionsRead, `at most ${maxVersionsRead} versions are read at once`)
    if (depth > maxDepth) throw new SluiceError('invalid_content', `References go deeper than ${maxDepth}.`)
    for await (const document of versions.find({ digest: { $in: wanted } })) {
      if (!read.has(document.digest)) read.set(document.digest, readOf(document))
    }
    const next = wanted.flatMap((digest) => read.get(digest)?.targets ?? [])
    wanted = [...new Set(next)].filter((digest) => !read.has(digest))
  }
  return read
}

function readOf(document: VersionDocument): Read {
  const served = document.references.filter(({ kind }) => kindOf(kind).changeType !== 'test')
  return { content: readContent(document), targets: served.map(({ digest }) => digest) }
}

/** What these refer to and what that refers to in turn, by digest, sorted. Throws digest_mismatch where one is gone. */
export function closureOf(closures: Closures, digests: readonly Digest[]): Readonly<Record<Digest, unknown>> {
  const found = new Map<Digest, unknown>()
  const waiting = digests.flatMap((digest) => closures.get(digest)?.targets ?? [])
  for (let digest = waiting.pop(); digest !== undefined; digest = waiting.pop()) {
    if (found.has(digest)) continue
    const read = closures.get(digest)
    if (read === undefined)
      throw new SluiceError('digest_mismatch', `${digest} is referred to, and nothing has it any more.`)
    found.set(digest, read.content)
    waiting.push(...read.targets)
  }
  return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)))
}
