import type { ClientSession } from 'mongodb'
import type { Digest, KindName, Ref } from '../domain/version'
import { SluiceError } from '../errors'
import { type ClaimDocument, type ClaimView, claimOf } from './claims'
import type { Database } from './database'
import type { VersionDocument } from './version-documents'

/** Versions as one reader sees them: the database, a transaction on it, or a check that has more in mind. */
export interface VersionView extends ClaimView {
  /** Throws unknown_ref. */
  find(ref: Ref): Promise<VersionDocument>
  /** The first label of this content; throws unknown_ref. */
  findDigest(kind: KindName | undefined, digest: Digest): Promise<VersionDocument>
  /** Label and digest of every version of an artifact, in no order. */
  labels(kind: KindName, name: string): Promise<readonly Pick<VersionDocument, 'semver' | 'digest'>[]>
}

/** An artifact has at most this many versions. */
export const maxVersions = 10_000

export function databaseView(database: Database, session?: ClientSession): VersionView {
  const versions = database.collection<VersionDocument>('versions')
  const claims = database.collection<ClaimDocument>('claims')
  const options = session ? { session } : {}
  return {
    async find({ kind, name, version }) {
      const label = { kind, name, ...(isSemver(version) ? { semver: version } : { digest: version as Digest }) }
      const found = await versions.findOne(label, options)
      return found ?? raiseUnknown(`${kind}/${name}@${version}`)
    },
    async findDigest(kind, digest) {
      const filter = kind === undefined ? { digest } : { kind, digest }
      const found = await versions.findOne(filter, { ...options, sort: { createdAt: 1, _id: 1 } })
      return found ?? raiseUnknown(kind === undefined ? digest : `${kind} ${digest}`)
    },
    labels: (kind, name) =>
      versions
        .find({ kind, name }, { ...options, projection: { semver: 1, digest: 1 } })
        .limit(maxVersions)
        .toArray(),
    claim: async (id) => (await claims.findOne({ _id: id }, options)) ?? undefined,
  }
}

/** The database with versions on top that are not registered. */
export function overlayView(below: VersionView, documents: readonly VersionDocument[]): VersionView {
  const first = (matches: (document: VersionDocument) => boolean) => documents.find(matches)
  return {
    async find(ref) {
      const label = isSemver(ref.version)
      const found = first(
        (document) =>
          document.kind === ref.kind &&
          document.name === ref.name &&
          (label ? document.semver : document.digest) === ref.version,
      )
      return found ?? below.find(ref)
    },
    async findDigest(kind, digest) {
      const found = first((document) => document.digest === digest && (kind === undefined || document.kind === kind))
      return found ?? below.findDigest(kind, digest)
    },
    async labels(kind, name) {
      const own = documents.filter((document) => document.kind === kind && document.name === name)
      return [...(await below.labels(kind, name)), ...own]
    },
    async claim(id) {
      const claims = documents.map(claimOf)
      return (await below.claim(id)) ?? claims.find((claim) => claim?._id === id)
    },
  }
}

const isSemver = (version: string): boolean => !version.startsWith('sha256:')

function raiseUnknown(ref: string): never {
  throw new SluiceError('unknown_ref', `Nothing is registered as ${ref}.`, { ref })
}
