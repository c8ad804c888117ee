import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import type { VersionDocument } from './version-documents'

/** A version as far as a walk along its references needs it. */
export type Linked = Pick<VersionDocument, '_id' | 'kind' | 'digest' | 'references'>

/** A composite rests on at most this many versions, those that its versions refer to counted. */
export const maxClosure = 1_000

/**
 * Every version that these rest on, each once, what is referred to before what refers to it. `find` answers versions by
 * digest, of several with one digest the one to take first. Throws `digest_mismatch` where one is gone.
 */
export async function inReferenceOrder<T extends Linked>(
  roots: readonly Digest[],
  find: (digests: readonly Digest[]) => Promise<readonly T[]>,
): Promise<readonly T[]> {
  const known = new Map<Digest, T>()
  for (let wave = [...new Set(roots)]; wave.length > 0; ) {
    for (const version of await find(wave)) if (!known.has(version.digest)) known.set(version.digest, version)
    const lost = wave.find((digest) => !known.has(digest))
    if (lost !== undefined) throw new SluiceError('digest_mismatch', `Nothing has the digest ${lost} any more.`)
    if (known.size > maxClosure) {
      throw new SluiceError('invalid_request', `A composite rests on at most ${maxClosure} versions.`)
    }
    const next = wave.flatMap((digest) => known.get(digest)?.references.map((reference) => reference.digest) ?? [])
    wave = [...new Set(next)].filter((digest) => !known.has(digest))
  }
  return ordered(roots, known)
}

/** References are digests of contents, so they cannot lead back. */
function ordered<T extends Linked>(roots: readonly Digest[], known: ReadonlyMap<Digest, T>): readonly T[] {
  const sorted = new Map<Digest, T>()
  const visit = (digest: Digest): void => {
    const version = known.get(digest)
    if (version === undefined || sorted.has(digest)) return
    for (const reference of [...version.references].sort(byPath)) visit(reference.digest)
    sorted.set(digest, version)
  }
  for (const root of roots) visit(root)
  return [...sorted.values()]
}

/** Drafts name their references in whatever order people wrote them. */
const byPath = (a: Linked['references'][number], b: Linked['references'][number]): number => (a.path < b.path ? -1 : 1)
