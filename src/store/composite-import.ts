import { compositeIdentity } from '../domain/composite'
import type { FileComposite, FileVersion, Imported } from '../domain/composite-file'
import { sameJson } from '../domain/diff'
import type { Digest, KindName, Origin } from '../domain/version'
import { assert, SluiceError } from '../errors'
import { kindOf } from '../kinds'
import type { RowSet, RowTools } from '../kinds/kind'
import { digestOf } from './canonical'
import type { CompositeDocument } from './composite-documents'
import { altered, type HeldLine, heldLines } from './composite-lines'
import { assertRole, insertOnce } from './composites'
import type { Database } from './database'
import { inReferenceOrder, maxClosure } from './reference-order'
import { maxMergedSets, type RowStore } from './rows'
import { readContent, type VersionDocument } from './version-documents'
import { documentOf, judge } from './version-drafts'
import { databaseView, overlayView, type VersionView } from './version-view'
import { insertJudged, requireRows } from './versions'

interface Deps {
  readonly database: Database
  readonly rows: RowStore
}

export interface ImportOptions {
  /** Who imports. */
  readonly by: string
  /** Goes before the name of every version: the same contents under labels of their own. */
  readonly prefix?: string
}

/** Contents of one file that are held until all of it is known to be whole. Rows are not among them. */
const maxHeldBytes = 256 * 1024 * 1024
const pageRows = 500
const pageBytes = 4 * 1024 * 1024

/**
 * Reads the whole file, computes every digest again and asks whether every label is free, and only then registers: the
 * versions in their order, the composite last. What stands already stays as it is, so an import that was cut short is
 * simply done again. Rows are kept as they come; one that no dataset names changes nothing.
 * Throws digest_mismatch, malformed_file, payload_too_large, and what a registration throws.
 */
export async function importComposite(
  deps: Deps,
  bytes: AsyncIterable<Uint8Array>,
  options: ImportOptions,
): Promise<Imported> {
  const file = new ImportedFile(deps, options)
  for await (const line of heldLines(bytes)) await file.take(line)
  const { composite, documents, rows, digest } = await file.whole()
  await requireLabels(deps.database, documents)
  const versions: Imported['versions'][number][] = []
  for (const document of documents) {
    const created = (await insertJudged(deps.database, document)) !== undefined
    versions.push({ ref: document._id, digest: document.digest, created })
  }
  const created = await insertOnce(deps.database.collection('composites'), composite)
  return { composite: composite._id, created, versions, rows, file: digest }
}

/** Asks of all before any is written: a refusal leaves nothing behind. */
async function requireLabels(database: Database, documents: readonly VersionDocument[]): Promise<void> {
  const accepted: VersionDocument[] = []
  const view = overlayView(databaseView(database), accepted)
  for (const document of documents) {
    await requireRows(database, document)
    if (await judge(document, view)) accepted.push(document)
  }
}

interface WholeFile {
  readonly composite: CompositeDocument
  readonly documents: readonly VersionDocument[]
  readonly rows: number
  readonly digest: Digest
}

/** A file while it is read, line by line in the one order that lines have. */
class ImportedFile {
  private readonly deps: Deps
  private readonly options: ImportOptions
  private readonly documents: VersionDocument[] = []
  private readonly origins: Omit<Origin, 'file'>[] = []
  private readonly view: VersionView
  private header: { readonly composite: Digest; readonly rows: boolean } | undefined
  private composite: { readonly line: FileComposite; readonly closure: readonly Digest[] } | undefined
  private end: Digest | undefined
  private rows: RowsOfDataset | undefined
  private rowCount = 0
  private heldBytes = 0
  private number = 0

  constructor(deps: Deps, options: ImportOptions) {
    this.deps = deps
    this.options = options
    this.view = overlayView(emptyView, this.documents)
  }

  async take({ number, value, hash }: HeldLine): Promise<void> {
    this.number = number
    if (this.end !== undefined) throw altered(number, '', 'it stands behind the end')
    if ((this.header === undefined) !== (value.line === 'header')) throw this.misplaced(value.line)
    if (value.line !== 'row') await this.sealRows()
    if (this.composite !== undefined && value.line !== 'end') throw this.misplaced(value.line)
    if (value.line === 'header') this.header = value
    if (value.line === 'version') await this.takeVersion(value)
    if (value.line === 'row') await this.takeRow(value.row)
    if (value.line === 'composite') await this.takeComposite(value)
    if (value.line === 'end') this.takeEnd(value, hash)
  }

  /** Throws digest_mismatch where the file ends before its end. */
  async whole(): Promise<WholeFile> {
    const { header, composite, end } = this
    if (header === undefined || composite === undefined || end === undefined) {
      throw altered(this.number + 1, '', 'the file ends before it')
    }
    const now = new Date(await this.deps.database.now())
    const { id, roles, parents, createdAt } = composite.line
    const pins = Object.entries(roles).sort(([a], [b]) => (a < b ? -1 : 1))
    return {
      digest: end,
      rows: this.rowCount,
      documents: this.documents.map((document, place) => ({
        ...document,
        createdAt: now,
        origin: { ...(this.origins[place] ?? { createdAt: now }), file: end, ...this.rowsMark(document) },
      })),
      composite: {
        _id: id,
        pins: pins.map(([role, pin]) => ({ role, ...pin, ref: this.labelOf(pin.ref) })),
        closure: [...composite.closure],
        parents: [...parents],
        createdAt: now,
        origin: { createdAt: new Date(createdAt), file: end },
      },
    }
  }

  private rowsMark({ kind }: VersionDocument): { rows?: boolean } {
    return kindOf(kind).rowsOf === undefined ? {} : { rows: this.header?.rows === true }
  }

  private labelOf(ref: string): string {
    const slash = ref.indexOf('/') + 1
    return `${ref.slice(0, slash)}${this.options.prefix ?? ''}${ref.slice(slash)}`
  }

  private async takeVersion(line: FileVersion): Promise<void> {
    if (this.documents.length >= maxClosure) throw altered(this.number, '', `a file has at most ${maxClosure} versions`)
    const { line: _line, digest, createdAt, author, parents, ...draft } = line
    const name = `${this.options.prefix ?? ''}${line.name}`
    const document = await documentOf({ ...draft, name, author: this.options.by }, this.view, sealedAs(line.content))
    if (document.digest !== digest) {
      throw altered(this.number, JSON.stringify(line), `its content has the digest ${document.digest}`)
    }
    this.heldBytes += document.content.length
    if (this.heldBytes > maxHeldBytes) {
      throw new SluiceError('payload_too_large', `The versions of the file have more than ${maxHeldBytes} bytes.`)
    }
    this.documents.push({ ...document, parents: [...parents] })
    this.origins.push({ author, createdAt: new Date(createdAt) })
    const set = kindOf(document.kind).rowsOf?.(readContent(document))
    if (set !== undefined && this.header?.rows) this.rows = new RowsOfDataset(this.deps.rows, line)
  }

  private async takeRow(row: Readonly<Record<string, unknown>>): Promise<void> {
    if (this.rows === undefined) throw this.misplaced('row')
    this.rowCount += 1
    await this.rows.take(row)
  }

  private async sealRows(): Promise<void> {
    await this.rows?.seal(this.number)
    this.rows = undefined
  }

  private async takeComposite(line: FileComposite): Promise<void> {
    const { id, roles } = line
    const wrong = (what: string) => altered(this.number, JSON.stringify({ line: 'composite', id }), what)
    const computed = digestOf(compositeIdentity(roles))
    if (computed !== id) throw wrong(`its roles have the digest ${computed}`)
    if (id !== this.header?.composite) throw wrong(`the header names ${this.header?.composite}`)
    for (const [role, { kind, ref, digest }] of Object.entries(roles)) {
      assertRole(role, kind)
      const label = this.labelOf(ref)
      const isThere = this.documents.some((one) => one._id === label && one.kind === kind && one.digest === digest)
      if (!isThere) throw wrong(`no version of the file is ${ref} with the digest of ${role}`)
    }
    const found = async (digests: readonly Digest[]) => this.documents.filter((one) => digests.includes(one.digest))
    const closure = await inReferenceOrder(
      Object.values(roles).map(({ digest }) => digest),
      found,
    )
    const stray = this.documents.find((one) => !closure.some(({ digest }) => digest === one.digest))
    if (stray !== undefined) throw wrong(`${stray._id} is in the file, and nothing of it refers there`)
    this.composite = { line, closure: closure.map(({ digest }) => digest) }
  }

  private takeEnd({ versions, rows }: { readonly versions: number; readonly rows: number }, hash: Digest): void {
    if (this.composite === undefined) throw this.misplaced('end')
    if (versions !== this.documents.length || rows !== this.rowCount) {
      const counted = `${this.documents.length} versions and ${this.rowCount} rows`
      throw altered(this.number, '', `it counts ${versions} versions and ${rows} rows, and there are ${counted}`)
    }
    this.end = hash
  }

  private readonly misplaced = (line: string): SluiceError =>
    altered(this.number, JSON.stringify({ line }), 'it stands in the wrong place')
}

/** The rows behind one dataset: stored page by page, held against its root. */
class RowsOfDataset {
  private readonly store: RowStore
  private readonly dataset: FileVersion
  /** Sets of rows that are stored and not yet one: fewer than go into one merge. */
  private roots: Digest[] = []
  private page: Readonly<Record<string, unknown>>[] = []
  private bytes = 0

  constructor(store: RowStore, dataset: FileVersion) {
    this.store = store
    this.dataset = dataset
  }

  async take(row: Readonly<Record<string, unknown>>): Promise<void> {
    this.page.push(row)
    this.bytes += JSON.stringify(row).length
    if (this.page.length >= pageRows || this.bytes >= pageBytes) await this.flush()
  }

  async seal(number: number): Promise<void> {
    await this.flush()
    const { kind, name, semver, content } = this.dataset
    const claimed = content as RowClaim
    const set = this.roots.length === 0 ? undefined : await this.store.mergeSets(this.roots)
    if (set?.root === claimed.root && set.count === claimed.count && sameJson(set.columns, claimed.columns)) return
    const text = `the rows of ${kind}/${name}@${semver} before it are not those that its root stands for`
    throw altered(number, '', text)
  }

  private async flush(): Promise<void> {
    if (this.page.length === 0) return
    const { root } = await this.store.putRows(this.page)
    assert(root !== undefined, 'rows that are given as such are never missing')
    this.roots.push(root)
    if (this.roots.length === maxMergedSets) this.roots = [(await this.store.mergeSets(this.roots)).root]
    this.page = []
    this.bytes = 0
  }
}

/** In a file every reference leads to a version before it. */
const emptyView: VersionView = {
  find: ({ kind, name, version }) => raiseOutside(`${kind}/${name}@${version}`),
  findDigest: (kind: KindName | undefined, digest) => raiseOutside(`${kind ?? 'version'} ${digest}`),
  labels: async () => [],
  claim: async () => undefined,
}

function raiseOutside(what: string): never {
  throw new SluiceError('digest_mismatch', `The file refers to ${what}, which does not stand before it in the file.`)
}

/** What a sealed version says of its rows. */
type RowClaim = Omit<RowSet, 'bytes'>

/** A version of a file is sealed: its rows come behind it and are then held against what it says, or not at all. */
const sealedAs = (content: unknown): RowTools => ({
  setOfRows: () => raiseUnsealed(),
  rowSet: async () => ({ ...(content as RowClaim), bytes: 0 }),
})

function raiseUnsealed(): never {
  throw new SluiceError('malformed_file', 'A version of the file holds rows within its content.')
}
