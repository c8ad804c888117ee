import { type FileLine, fileFormat, fileVersion } from '../domain/composite-file'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import { kindOf } from '../kinds'
import type { CompositeDocument } from './composite-documents'
import { writtenLines } from './composite-lines'
import { linkedVersions } from './composites'
import type { Database } from './database'
import { inReferenceOrder, type Linked } from './reference-order'
import { createRowReader } from './row-reader'
import type { RowStore } from './rows'
import { readContent, type VersionDocument } from './version-documents'

interface Deps {
  readonly database: Database
  readonly rows: RowStore
}

/**
 * The text of a composite with its closure, line by line; the same composite gives the same text wherever it is. Reads
 * one version, and one page of rows, at a time. What is missing is found before the first line, what is altered where
 * it stands. Throws not_found, unknown_ref for rows that are not here, digest_mismatch.
 */
export async function exportComposite(
  deps: Deps,
  id: Digest,
  options: { readonly rows: boolean },
): Promise<AsyncIterable<string>> {
  const { database } = deps
  const document = await database.collection<CompositeDocument>('composites').findOne({ _id: id })
  if (document === null) throw new SluiceError('not_found', `No composite ${id} is committed here.`, { id })
  const labels = await labelsOf(database, document)
  if (options.rows) for (const label of labels) await requireRows(deps, label)
  return writtenLines(linesOf(database, document, labels, options.rows))
}

/** The labels to write: those that the composite was committed with, else the first of a content. */
async function labelsOf(database: Database, { pins }: CompositeDocument): Promise<readonly Linked[]> {
  const pinned = new Set(pins.map(({ ref }) => ref))
  const others = new Map<Digest, Linked[]>()
  const closure = await inReferenceOrder(
    pins.map(({ digest }) => digest),
    async (digests) => {
      const found = await linkedVersions(database, digests)
      for (const version of found.filter(({ _id }) => pinned.has(_id))) {
        others.set(version.digest, [...(others.get(version.digest) ?? []), version])
      }
      return found
    },
  )
  return closure.flatMap((version) => others.get(version.digest)?.sort(byLabel) ?? [version])
}

const byLabel = (a: Linked, b: Linked): number => (a._id < b._id ? -1 : 1)

async function requireRows({ database, rows }: Deps, { _id, kind }: Linked): Promise<void> {
  const set = kindOf(kind).rowsOf?.(readContent(await readVersion(database, _id)))
  if (set !== undefined) await rows.rowSet(set.root)
}

async function* linesOf(
  database: Database,
  { _id, pins, parents, createdAt, origin }: CompositeDocument,
  labels: readonly Linked[],
  withRows: boolean,
): AsyncGenerator<FileLine> {
  const reader = createRowReader(database)
  const written = new Set<Digest>()
  let count = 0
  yield { line: 'header', format: fileFormat, version: fileVersion, composite: _id, rows: withRows }
  for (const label of labels) {
    const version = await readVersion(database, label._id)
    const content = readContent(version)
    const references = kindOf(version.kind).references(content)
    const missing = references.find(({ ref }) => !written.has(ref as Digest))
    if (missing !== undefined) {
      throw new SluiceError('digest_mismatch', `The stored references of ${version._id} are not those of its content.`)
    }
    written.add(version.digest)
    yield fileVersionOf(version, content)
    const set = withRows ? kindOf(version.kind).rowsOf?.(content) : undefined
    if (set === undefined) continue
    for await (const { text } of reader.texts(set.root)) {
      count += 1
      yield { line: 'row', row: JSON.parse(text) as Readonly<Record<string, unknown>> }
    }
  }
  const roles = Object.fromEntries(pins.map(({ role, kind, ref, digest }) => [role, { kind, ref, digest }]))
  const made = (origin?.createdAt ?? createdAt).toISOString()
  yield { line: 'composite', id: _id, roles, parents: [...parents].sort(), createdAt: made }
  yield { line: 'end', versions: labels.length, rows: count }
}

function fileVersionOf(version: VersionDocument, content: unknown): FileLine {
  const { kind, name, semver, digest, author, createdAt, description, parents, provenance, promotion, origin } = version
  return {
    line: 'version',
    ...{ kind, name, semver, digest, content, description, parents },
    author: origin?.author ?? author,
    createdAt: (origin?.createdAt ?? createdAt).toISOString(),
    ...(provenance === undefined ? {} : { provenance: JSON.parse(provenance) as Record<string, unknown> }),
    ...(promotion === undefined ? {} : { promotion }),
  }
}

async function readVersion(database: Database, label: string): Promise<VersionDocument> {
  const found = await database.collection<VersionDocument>('versions').findOne({ _id: label })
  if (found !== null) return found
  throw new SluiceError('digest_mismatch', `${label} is not stored any more.`)
}
