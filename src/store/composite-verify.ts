import { type CompositeVerification, compositeIdentity, type VerifiedPart } from '../domain/composite'
import type { Digest, KindName } from '../domain/version'
import { SluiceError } from '../errors'
import { kindOf } from '../kinds'
import { digestOf } from './canonical'
import type { CompositeDocument } from './composite-documents'
import type { Database } from './database'
import { maxClosure } from './reference-order'
import { createRowReader } from './row-reader'
import { contentDropped, identityOf, positionOf, readContent, type VersionDocument } from './version-documents'
import { interfacesOf } from './version-drafts'
import { databaseView } from './version-view'

interface Deps {
  readonly database: Database
  /** Whether rows of datasets are read and counted again as well, which takes as long as there are rows. */
  readonly rows: boolean
  /** Ends the work, which then throws the signal's reason. */
  readonly signal?: AbortSignal
}

export type VerifyOptions = Partial<Pick<Deps, 'rows' | 'signal'>>

/**
 * Computes again what is stored of a composite's whole closure: contents, what was derived from them, and rows. Follows
 * the references that the contents themselves hold. Reads one version, and one page of rows, at a time.
 */
export async function verifyComposite(
  deps: Deps,
  { _id: id, pins }: CompositeDocument,
): Promise<CompositeVerification> {
  const parts = new Map<Digest, VerifiedPart>()
  for (const { kind, digest } of pins) await verifyFrom(deps, { kind, digest }, parts)
  const roles: (CompositeVerification['roles'][number] & { readonly computed: Digest })[] = []
  for (const { role, kind, ref, digest } of pins) {
    const labelled = await deps.database.collection<VersionDocument>('versions').findOne({ _id: ref })
    const computed = identityOf(kind, labelled === null ? undefined : parsed(labelled.content))
    const valid = computed === digest && labelled?.kind === kind && parts.get(digest)?.state === 'ok'
    roles.push({ role, kind, ref, digest, valid, computed })
  }
  const named = Object.fromEntries(roles.map(({ role, computed }) => [role, { digest: computed }]))
  const computed = digestOf(compositeIdentity(named))
  const sound = [...parts.values()].every(({ state }) => state === 'ok' || state === 'not_imported')
  return {
    id,
    computed,
    valid: computed === id && sound && roles.every((role) => role.valid),
    roles: roles.map(({ computed: _computed, ...role }) => role),
    parts: [...parts.values()],
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // No JSON any more: its digest is that of nothing.
    return undefined
  }
}

interface Named {
  readonly kind: KindName
  readonly digest: Digest
}

/** Depth first, so that a part comes after what it refers to; a digest cannot refer to itself. */
async function verifyFrom(deps: Deps, { kind, digest }: Named, parts: Map<Digest, VerifiedPart>): Promise<void> {
  if (parts.has(digest)) return
  if (parts.size >= maxClosure) {
    throw new SluiceError('invalid_request', `A composite rests on at most ${maxClosure} versions.`)
  }
  const labels = deps.database.collection<VersionDocument>('versions').find({ digest }).sort({ createdAt: 1, _id: 1 })
  let part: VerifiedPart = { kind, ref: digest, digest, state: 'missing', problem: 'nothing has this digest' }
  let references: readonly Named[] = []
  for await (const document of labels) {
    deps.signal?.throwIfAborted()
    if (document.dropped?.what === 'content') {
      references = document.references
      part = { kind, ref: document._id, digest, state: 'dropped', problem: contentDropped(document).message }
      continue
    }
    const found = await examine(deps.database, document)
    if (found.references.length > 0) references = found.references
    const { problem } = found
    if (problem !== undefined) part = { kind, ref: document._id, digest, state: 'altered', problem }
    else if (part.state === 'missing')
      part = { kind, ref: document._id, digest, ...(await examineRows(deps, document)) }
  }
  for (const reference of references) await verifyFrom(deps, reference, parts)
  parts.set(digest, part)
}

/** What the content of a stored version refers to, and what of the version does not follow from its content. */
async function examine(database: Database, document: VersionDocument) {
  const { kind, name, semver } = document
  let content: unknown
  try {
    content = readContent(document)
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    return { references: [], problem: 'the content is not what the digest says' }
  }
  const derived = kindOf(kind)
    .references(content)
    .map(({ path, kind: target, ref }) => ({ path: path.join('/'), kind: target, digest: ref as Digest }))
  const labelled = document._id === `${kind}/${name}@${semver}` && document.position === positionOf(kind, name, semver)
  if (!labelled) return { references: derived, problem: 'the label is not what it is kept under' }
  if (listText(derived) !== listText(document.references)) {
    return { references: derived, problem: 'the references are not those of the content' }
  }
  const expected = await interfaceOf(database, kind, content)
  const holds = expected === undefined || expected === document.interface
  return { references: derived, ...(holds ? {} : { problem: 'the interface is not that of the content' }) }
}

const listText = (references: readonly (Named & { readonly path: string })[]): string =>
  references
    .map(({ path, kind, digest }) => `${path} ${kind} ${digest}`)
    .sort()
    .join('\n')

/** Undefined where something that it refers to is gone: that part says so itself. */
async function interfaceOf(database: Database, kind: KindName, content: unknown): Promise<Digest | undefined> {
  try {
    const lookup = await interfacesOf(kind, [content], databaseView(database))
    return digestOf({ interface: kindOf(kind).interfaceOf(content, lookup), kind })
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'unknown_ref') return undefined
    throw error
  }
}

async function examineRows(
  { database, rows, signal }: Deps,
  document: VersionDocument,
): Promise<Pick<VerifiedPart, 'state' | 'rows' | 'problem'>> {
  const expected = kindOf(document.kind).rowsOf?.(readContent(document))
  if (expected === undefined) return { state: 'ok' }
  if (document.dropped !== undefined) return { state: 'dropped', problem: contentDropped(document).message }
  if (!rows) return { state: 'ok' }
  let count = 0
  try {
    for await (const _row of createRowReader(database).texts(expected.root)) {
      signal?.throwIfAborted()
      count += 1
    }
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    const isGone = error.code === 'unknown_ref'
    if (isGone && count === 0 && document.origin?.rows === false) return { state: 'not_imported' }
    return { state: isGone ? 'missing' : 'altered', rows: count, problem: error.message }
  }
  if (count === expected.count) return { state: 'ok', rows: count }
  return { state: 'altered', rows: count, problem: `${expected.count} rows were registered` }
}
