import type { ClientSession } from 'mongodb'
import type { VersionDiff } from '../domain/diff'
import { isDigest, parseRef } from '../domain/ref'
import type { Registered, Registration, VersionFilter, VersionSummary } from '../domain/registration'
import type { Digest, KindName, Version } from '../domain/version'
import { assert, SluiceError } from '../errors'
import { kindOf } from '../kinds'
import { writeClaim } from './claims'
import type { Database } from './database'
import { maxPage } from './list-page'
import type { SetDocument } from './row-documents'
import type { RowStore } from './rows'
import {
  contentDropped,
  positionRange,
  readContent,
  summaryOf,
  type VersionDocument,
  versionOf,
} from './version-documents'
import { compareDocuments, documentOf, type Judgement, judge } from './version-drafts'
import { markUsed } from './version-uses'
import { databaseView } from './version-view'

const defaultPage = 50
const duplicateKey = 11_000

/** Registered versions: written once, never changed. */
export interface VersionStore {
  register(registration: Registration): Promise<Registered>
  version(ref: string): Promise<Version>
  byDigest(kind: KindName, digest: Digest): Promise<Version>
  versions(filter: VersionFilter): Promise<readonly Version[]>
  summaries(filter: VersionFilter): Promise<readonly VersionSummary[]>
  diff(from: string, to: string): Promise<VersionDiff>
}

export function createVersionStore(database: Database, rows: RowStore): VersionStore {
  const versions = database.collection<VersionDocument>('versions')
  const view = databaseView(database)
  const page = ({ limit = defaultPage, ...filter }: VersionFilter) =>
    versions.find(listFilter(filter)).sort({ position: 1 }).limit(Math.min(limit, maxPage))
  return {
    async register(registration) {
      const draft = await documentOf(registration, view, rows)
      const document = { ...draft, createdAt: new Date(await database.now()) }
      const judgement = await insertJudged(database, document)
      if (judgement !== undefined) return { version: versionOf(document), created: true, ...judgement }
      const standing = await view.find(parseRef(document._id))
      return { version: versionOf(standing), created: false, changeClass: 'none', changes: [] }
    },
    version: async (ref) => versionOf(await view.find(parseRef(ref))),
    byDigest: async (kind, digest) => versionOf(await view.findDigest(kind, digest)),
    versions: async (filter) => (await page(filter).toArray()).map(versionOf),
    summaries: async (filter) => (await page(filter).project<VersionDocument>({ content: 0 }).toArray()).map(summaryOf),
    async diff(from, to) {
      const [before, after] = [await view.find(parseRef(from)), await view.find(parseRef(to))]
      if (before.kind !== after.kind) {
        throw new SluiceError('invalid_request', `${from} and ${to} are of different kinds: nothing to compare.`)
      }
      return { from: before._id, to: after._id, ...(await compareDocuments(before, after, view)) }
    },
  }
}

function listFilter({ kind, name, digest, after }: Omit<VersionFilter, 'limit'>): Record<string, unknown> {
  if (kind === undefined && name !== undefined) {
    throw new SluiceError('invalid_request', 'A list by name needs the kind as well.')
  }
  if (after !== undefined && isDigest(after.slice(after.indexOf('@') + 1))) {
    throw new SluiceError('malformed_ref', 'A cursor is the kind/name@semver of the last item.')
  }
  const range = positionRange({
    ...(kind === undefined ? {} : { kind }),
    ...(name === undefined ? {} : { name }),
    ...(after === undefined ? {} : { after }),
  })
  return {
    ...(Object.keys(range).length === 0 ? {} : { position: range }),
    ...(digest === undefined ? {} : { digest }),
  }
}

/**
 * Every label of a content that is pushed again is in use again, and has what was dropped of it: the digest was computed
 * from what came, so it is the same.
 */
async function useAgain(database: Database, document: VersionDocument, session: ClientSession) {
  const { kind, digest, content, references } = document
  const versions = database.collection<VersionDocument>('versions')
  await requireRows(database, document, session)
  const restored = { $set: { content, usedAt: new Date(await database.now(session)) }, $unset: { dropped: 1 as const } }
  await versions.updateMany({ kind, digest, dropped: { $exists: true } }, restored, { session })
  await markUsed(database, { digests: [digest, ...references.map((reference) => reference.digest)] }, session)
}

/** A dataset that comes without its rows, as a file may bring it, brings back none that were dropped: throws content_dropped. */
export async function requireRows(database: Database, document: VersionDocument, session?: ClientSession) {
  const { kind, digest } = document
  if (kindOf(kind).rowsOf === undefined) return
  const options = session ? { session } : {}
  const versions = database.collection<VersionDocument>('versions')
  const gone = await versions.findOne({ kind, digest, 'dropped.what': 'rows' }, options)
  const set = gone === null ? undefined : kindOf(kind).rowsOf?.(readContent(document))
  if (gone === null || set === undefined) return
  const sets = database.collection<SetDocument>('row_sets')
  if ((await sets.findOne({ _id: set.root }, { ...options, projection: { _id: 1 } })) === null)
    throw contentDropped(gone)
}

/**
 * Judges and inserts in one transaction that holds the artifact's document, so two processes never judge against the
 * same past. Undefined: the version stands already.
 */
export async function insertJudged(database: Database, document: VersionDocument): Promise<Judgement | undefined> {
  const artifact = `${document.kind}/${document.name}`
  const artifacts = database.collection<{ _id: string; registered: number }>('artifacts')
  await artifacts
    .updateOne({ _id: artifact }, { $setOnInsert: { registered: 0 } }, { upsert: true })
    .catch((error: { code?: unknown }) => {
      if (error.code !== duplicateKey) throw error
    })
  const work = async (session: ClientSession) => {
    const locked = await artifacts.updateOne({ _id: artifact }, { $inc: { registered: 1 } }, { session })
    assert(locked.matchedCount === 1, `the artifact ${artifact} is there to be locked`)
    const judgement = await judge(document, databaseView(database, session))
    await useAgain(database, document, session)
    if (judgement === undefined) return undefined
    await database.collection<VersionDocument>('versions').insertOne(document, { session })
    await writeClaim(database, document, session)
    return judgement
  }
  return database.transact(work)
}
