import { type CaseIndex, CaseIndexBuilder, leakageMethod, maxCasesOfRow } from '../domain/case-index'
import type { DatasetContent, SuiteContent } from '../domain/contents'
import { isRecord } from '../domain/diff'
import {
  type ClosureMember,
  isDataset,
  type LeakageHit,
  type LeakageProof,
  type LeakageReport,
  leakageReport,
  type SourceProof,
} from '../domain/leakage'
import type { DatasetRow } from '../domain/row-change'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import { digestOf } from './canonical'
import type { Catalog } from './catalog'
import type { CollectionSpec, Database } from './database'
import { maxCases, readCase } from './evaluation-plan'
import { sourcesOf } from './leakage-sources'

export interface LeakageQuestion {
  readonly composite: Digest
  readonly suite: Digest
}

export interface LeakageProgress {
  /** Rows compared by this run, and rows that it has to compare. */
  readonly rows: number
  readonly of: number
}

export interface LeakageHooks {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: LeakageProgress) => void
}

/**
 * Whether cases of a suite stand in what a composite was made from. Each version behind it is compared once for ever, as
 * the answer depends on digests and on the method alone; a run that is cut off goes on with the next version.
 */
export interface Leakage {
  /** What was compared so far. Throws not_found, unknown_ref, digest_mismatch. */
  known(question: LeakageQuestion): Promise<LeakageReport>
  /** Compares what was not compared yet. Throws the signal's reason, digest_mismatch where a row was altered. */
  prove(question: LeakageQuestion, hooks?: LeakageHooks): Promise<LeakageReport>
}

type ProofDocument = Omit<LeakageProof, 'id'> & { readonly _id: Digest }

export const leakageCollections: readonly CollectionSpec[] = [{ name: 'leakage_proofs' }]

/** Hits that a proof lists; it counts all of them. */
const maxListedHits = 100
/** Characters that are kept of an id that somebody else chose. */
const maxIdLength = 200
const method = `${leakageMethod.name}-${leakageMethod.version}`
const duplicateKey = 11_000

type LeakageCatalog = Pick<Catalog, 'byDigest' | 'rows' | 'composite'>

/** The cases of a suite, in the order of the index. */
interface Cases {
  readonly index: CaseIndex
  readonly ids: readonly string[]
  readonly digests: readonly Digest[]
  readonly byDigest: ReadonlyMap<Digest, number>
}

export function createLeakage(database: Database, catalog: LeakageCatalog): Leakage {
  const proofs = database.collection<ProofDocument>('leakage_proofs')

  const known = async ({ composite, suite }: LeakageQuestion) => {
    const { dataset } = (await catalog.byDigest('suite', suite)).content as SuiteContent
    const sources = await sourcesOf(database, await catalog.composite(composite))
    const ids = sources.map(({ digest }) => proofId(digest, dataset))
    const found = new Map<Digest, LeakageProof>()
    for await (const { _id, ...rest } of proofs.find({ _id: { $in: ids } })) found.set(_id, { id: _id, ...rest })
    const held: SourceProof[] = []
    for (const [place, source] of sources.entries()) {
      const proof = found.get(ids[place] as Digest)
      const missing = proof === undefined ? await missingOf(catalog, source) : undefined
      held.push({ ...source, ...(proof ? { proof } : {}), ...(missing === undefined ? {} : { missing }) })
    }
    return { dataset, sources: held }
  }

  const store = async (draft: Omit<LeakageProof, 'at'>): Promise<LeakageProof> => {
    const proof = { ...draft, at: await database.now() }
    const { id, ...rest } = proof
    try {
      await proofs.insertOne({ _id: id, ...rest })
    } catch (error) {
      // Another process found the same.
      if ((error as { code?: unknown }).code !== duplicateKey) throw error
    }
    return proof
  }

  return {
    async known(question) {
      return leakageReport(question, (await known(question)).sources)
    },
    async prove(question, hooks = {}) {
      const { dataset, sources } = await known(question)
      if (!sources.some(isOpen)) return leakageReport(question, sources)
      const cases = await loadCases(catalog, dataset, hooks.signal)
      const counts = { caseCount: cases.ids.length, wordlessCases: cases.index.wordless }
      const count = await counterOf(catalog, sources.filter(isOpen), hooks)
      const proved: SourceProof[] = []
      for (const source of sources) {
        if (!isOpen(source)) {
          proved.push(source)
          continue
        }
        const { kind, digest } = source
        const of = { id: proofId(digest, dataset), kind, digest, cases: dataset, method }
        const found = await compare(rowsBehind(catalog, source), cases, count)
        proved.push({ ...source, proof: await store({ ...of, ...counts, ...found }) })
      }
      return leakageReport(question, proved)
    },
  }
}

const isOpen = ({ proof, missing }: SourceProof): boolean => proof === undefined && missing === undefined

/** Why a dataset cannot be compared: a composite may have come here without the rows behind it. */
async function missingOf(catalog: LeakageCatalog, source: ClosureMember): Promise<string | undefined> {
  try {
    for await (const _first of rowsBehind(catalog, source)) break
    return undefined
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'unknown_ref') return error.message
    throw error
  }
}

const proofId = (source: Digest, cases: Digest): Digest => digestOf({ source, cases, method: leakageMethod })

async function loadCases(catalog: LeakageCatalog, dataset: Digest, signal?: AbortSignal): Promise<Cases> {
  const { root } = (await catalog.byDigest('dataset', dataset)).content as DatasetContent
  const builder = new CaseIndexBuilder()
  const ids: string[] = []
  const digests: Digest[] = []
  for await (const { digest, row } of catalog.rows(root)) {
    signal?.throwIfAborted()
    if (ids.length === maxCases) {
      throw new SluiceError('invalid_content', `The suite cannot be compared: it has more than ${maxCases} cases.`)
    }
    const { id, input } = readCase(row)
    builder.add(input)
    ids.push(id)
    digests.push(digest)
  }
  return { index: builder.build(), ids, digests, byDigest: new Map(digests.map((digest, place) => [digest, place])) }
}

/** The rows of a dataset; of any other version its content as one row, so that examples written into it count. */
async function* rowsBehind(catalog: LeakageCatalog, { kind, digest }: ClosureMember): AsyncIterable<DatasetRow> {
  const { content } = await catalog.byDigest(kind, digest)
  if (isDataset({ kind })) yield* catalog.rows((content as DatasetContent).root)
  else yield { digest, row: content }
}

type Count = () => void

/** Counts a row: tells how far the run is, and stops it where it was told to stop. */
async function counterOf(
  catalog: LeakageCatalog,
  sources: readonly SourceProof[],
  { signal, onProgress }: LeakageHooks,
): Promise<Count> {
  let of = 0
  for (const { kind, digest } of sources) {
    of += isDataset({ kind }) ? ((await catalog.byDigest(kind, digest)).content as DatasetContent).count : 1
  }
  let rows = 0
  return () => {
    signal?.throwIfAborted()
    rows += 1
    onProgress?.({ rows, of })
  }
}

type Found = Pick<LeakageProof, 'rows' | 'leakedRows' | 'hitCount' | 'hits'>

async function compare(rows: AsyncIterable<DatasetRow>, cases: Cases, count: Count): Promise<Found> {
  const found = { rows: 0, leakedRows: 0, hitCount: 0 }
  const listed: LeakageHit[] = []
  for await (const row of rows) {
    found.rows += 1
    count()
    const hits = hitsOf(row, cases)
    if (hits.length === 0) continue
    found.leakedRows += 1
    found.hitCount += hits.length
    listed.push(...hits.slice(0, maxListedHits - listed.length))
  }
  return { ...found, hits: listed }
}

function hitsOf({ digest, row }: DatasetRow, { index, ids, digests, byDigest }: Cases): readonly LeakageHit[] {
  const same = byDigest.get(digest)
  const alike = index.match(row).filter(({ place }) => place !== same)
  const matches = [...(same === undefined ? [] : [{ place: same, similarity: 1 }]), ...alike].slice(0, maxCasesOfRow)
  const rowId = isRecord(row) && typeof row.id === 'string' ? { rowId: row.id.slice(0, maxIdLength) } : {}
  return matches.map(({ place, similarity }) => ({
    row: digest,
    ...rowId,
    caseId: (ids[place] as string).slice(0, maxIdLength),
    case: digests[place] as Digest,
    match: place === same ? 'row' : similarity === 1 ? 'text' : 'near',
    similarity,
  }))
}
