import type { ClientSession } from 'mongodb'
import { SluiceError } from '../errors'
import { kindOf } from '../kinds'
import { canonicalJson } from './canonical'
import type { CollectionSpec, Database } from './database'
import { readContent, type VersionDocument } from './version-documents'

/** A name that a version took for ever, over all artifacts of its kind, and what is said of it since. */
export interface ClaimDocument {
  /** `kind/name`; unique, so that of two versions that say different things at once, one is refused. */
  _id: string
  /** RFC 8785 text. */
  value: string
  /** The version that took it. */
  ref: string
}

/** Claims as one reader sees them. */
export interface ClaimView {
  /** Who took a name for ever, by `kind/name`. */
  claim(id: string): Promise<ClaimDocument | undefined>
}

export const claimCollections: readonly CollectionSpec[] = [{ name: 'claims' }]

/** What a version claims, if its kind claims anything. */
export function claimOf(document: VersionDocument): ClaimDocument | undefined {
  const claim = kindOf(document.kind).claim?.(readContent(document))
  if (claim === undefined) return undefined
  return { _id: `${document.kind}/${claim.name}`, value: canonicalJson(claim.value), ref: document._id }
}

/** Throws `immutable_field` where another version said something else of the name that this one claims. */
export async function requireClaim(document: VersionDocument, view: ClaimView): Promise<void> {
  const claim = claimOf(document)
  const standing = claim && (await view.claim(claim._id))
  if (claim === undefined || standing === undefined || standing.value === claim.value) return
  const name = claim._id.slice(document.kind.length + 1)
  const text =
    `${document._id} cannot be registered: ${name} is ${standing.value} for ever, as ${standing.ref} says, ` +
    `and not ${claim.value}. Choose another name.`
  throw new SluiceError('immutable_field', text, { claim: claim._id, standing: standing.ref })
}

/** Takes the name in the transaction that writes the version: either both stand or neither. */
export async function writeClaim(database: Database, document: VersionDocument, session: ClientSession): Promise<void> {
  const claim = claimOf(document)
  if (claim === undefined) return
  const { _id, ...said } = claim
  const claims = database.collection<ClaimDocument>('claims')
  await claims.updateOne({ _id }, { $setOnInsert: said }, { session, upsert: true })
}
