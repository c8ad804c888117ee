import { type ClientSession, type Collection, MongoServerError } from 'mongodb'
import { ulid } from 'ulid'
import type { FrozenThresholds } from '../domain/allocation'
import type { EvidenceKey, Verdict } from '../domain/evaluation'
import { finiteShift } from '../domain/finite-shift'
import type { Digest } from '../domain/version'
import { type GroupedEstimate, quantileOf } from '../stats/grouped'
import { batchedReads } from './batched-reads'
import { digestOf } from './canonical'
import type { CollectionSpec, Database } from './database'
import { type EvidenceEpochs, EvidenceLife, judgesIn, type ProviderStanding } from './evidence-epochs'
import { createResultStore, type ResultStore, resultCollections } from './evidence-results'
import { maxPage } from './list-page'
import type { Providers } from './providers'

export type VerdictDraft = Omit<Verdict, 'id' | 'at'> & {
  /** Absent: as of the moment of recording. */
  readonly epochs?: EvidenceEpochs
}

export interface VerdictFilter {
  readonly candidate?: Digest
  readonly incumbent?: Digest
  readonly suite?: Digest
  /** Id of the last verdict of the page before. */
  readonly after?: string
  readonly limit?: number
}

/** What the test stage found: raw results by case, and verdicts by what they are bound to. Nothing is ever overwritten. */
export interface Evidence {
  readonly results: ResultStore
  /**
   * Is there a passing verdict in force for exactly this, measured since the last provider change of both composites?
   * Also within the ledger's transaction.
   */
  passing(key: EvidenceKey, session?: ClientSession): Promise<boolean>
  /** Whether there is a verdict whose results are of before a provider change. */
  isVoid(key: EvidenceKey, session?: ClientSession): Promise<boolean>
  /** As of now; a draft that is recorded with them is void should a provider change meanwhile. `judges`: their engines. */
  epochs(key: EvidenceKey, judges?: readonly Digest[]): Promise<EvidenceEpochs>
  /** The engines of the judges that took part in the verdict in force; a change of their providers voids it too. */
  judges(key: EvidenceKey, session?: ClientSession): Promise<readonly Digest[]>
  /** What providers changed under these composites, as far as it matters now. */
  standing(composites: readonly Digest[]): Promise<ProviderStanding>
  /** The verdict in force: the newest of its key. */
  verdict(key: EvidenceKey): Promise<Verdict | undefined>
  verdictOf(evaluationId: string): Promise<Verdict | undefined>
  /** The newest first. */
  verdicts(filter: VerdictFilter): Promise<readonly Verdict[]>
  /** Puts a verdict in force; the earlier ones of its key stay readable. Idempotent by evaluation id. */
  record(draft: VerdictDraft): Promise<Verdict>
  /**
   * 95th percentiles of cost and latency per call, from stored results; undefined below `minThresholdResults`.
   * They freeze what counts as exceeded before the first exposed request.
   */
  incumbentThresholds(of: { readonly composite: Digest; readonly suite: Digest }): Promise<FrozenThresholds | undefined>
}

interface VerdictDocument extends Omit<Verdict, 'id'> {
  readonly _id: string
  readonly key: string
  readonly epochs?: EvidenceEpochs
}

/** Points at the verdict in force of one key. */
interface HeadDocument {
  readonly _id: string
  readonly verdictId: string
  readonly verdict: Verdict['verdict']
  readonly epochs?: EvidenceEpochs
  readonly candidate: Digest
  readonly incumbent?: Digest
  readonly suite: Digest
  readonly evaluationId: string
  readonly at: number
  readonly accuracy?: GroupedEstimate
  /** What the candidate rests on, so that `tested` and the score of a version are found without a walk. */
  readonly versions: readonly Digest[]
}

export const evidenceCollections: readonly CollectionSpec[] = [
  ...resultCollections,
  {
    name: 'verdicts',
    indexes: [
      { key: { key: 1, _id: -1 } },
      { key: { evaluationId: 1 }, unique: true },
      { key: { candidate: 1, _id: -1 } },
      { key: { suite: 1, _id: -1 } },
    ],
  },
  { name: 'verdict_heads' },
]

export const minThresholdResults = 20

/** A key without incumbent is a key of its own: absolute evidence is not evidence against an incumbent. */
const keyId = ({ candidate, incumbent, suite, policy }: EvidenceKey): string =>
  digestOf({ candidate, incumbent: incumbent ?? 'none', suite, policy })

const verdictFrom = ({ _id, key: _key, epochs: _epochs, report, ...rest }: VerdictDocument): Verdict => ({
  id: _id,
  ...rest,
  report: readable(report),
})

const readable = ({ comparison, ...rest }: Verdict['report']): Verdict['report'] => ({
  ...rest,
  ...(comparison && { comparison: { ...comparison, shifts: comparison.shifts.map(finiteShift) } }),
})

const duplicateKey = 11_000

/** Another process recorded the same evaluation at the same moment. */
const isDuplicate = (error: unknown): boolean => error instanceof MongoServerError && error.code === duplicateKey

/** Asked by every look at a release, so those of many are one reading; within a transaction each reads by itself. */
function judgesOf(heads: Collection<HeadDocument>): Evidence['judges'] {
  const reads = batchedReads<readonly Digest[]>(async (ids) => {
    const rows = await heads.find({ _id: { $in: [...ids] } }, { projection: { epochs: 1 } }).toArray()
    return new Map(rows.map(({ _id, epochs }) => [_id, judgesIn(epochs)]))
  })
  return async (key, session) => {
    if (session === undefined) return (await reads.read(keyId(key))) ?? []
    return judgesIn((await heads.findOne({ _id: keyId(key) }, { session }))?.epochs)
  }
}

export function createEvidence(database: Database, providers: Providers): Evidence {
  const verdicts = database.collection<VerdictDocument>('verdicts')
  const heads = database.collection<HeadDocument>('verdict_heads')
  const results = createResultStore(database, providers)
  const life = new EvidenceLife(providers, database.collection('verdicts'))
  const composites = database.collection<{ _id: Digest; closure: Digest[] }>('composites')

  const headOf = (key: EvidenceKey, session?: ClientSession) =>
    heads.findOne({ _id: keyId(key) }, session ? { session } : {})

  const verdictOf = async (evaluationId: string, session?: ClientSession): Promise<Verdict | undefined> => {
    const found = await verdicts.findOne({ evaluationId }, session ? { session } : {})
    return found ? verdictFrom(found) : undefined
  }

  const append = async (draft: VerdictDraft, session: ClientSession): Promise<Verdict> => {
    const known = await verdictOf(draft.evaluationId, session)
    if (known) return known
    const at = await database.now(session)
    const judges = (draft.report.judges ?? []).map(({ engine }) => engine)
    const epochs = draft.epochs ?? (await life.epochsOf(draft, judges, session))
    const judged = await life.measured(draft, session)
    const document: VerdictDocument = { ...judged, epochs, _id: ulid(at), key: keyId(draft), at }
    await verdicts.insertOne(document, { session })
    const rests = await composites.findOne({ _id: draft.candidate }, { session, projection: { closure: 1 } })
    // Replaced as a whole, so that no accuracy of the verdict before stays behind.
    await heads.replaceOne({ _id: document.key }, inForce(document, rests?.closure ?? []), { upsert: true, session })
    return verdictFrom(document)
  }

  return {
    results,
    async passing(key, session) {
      const head = await headOf(key, session)
      return head?.verdict === 'pass' && life.isCurrent(head.epochs, key, session)
    },
    async isVoid(key, session) {
      const head = await headOf(key, session)
      return head !== null && !(await life.isCurrent(head.epochs, key, session))
    },
    epochs: (key, judges = []) => life.epochsOf(key, judges),
    judges: judgesOf(heads),
    standing: (composites) => life.standing(composites),
    async verdict(key) {
      const head = await headOf(key)
      const found = head && (await verdicts.findOne({ _id: head.verdictId }))
      return found ? verdictFrom(found) : undefined
    },
    verdictOf: (evaluationId) => verdictOf(evaluationId),
    async verdicts({ limit = maxPage, ...filter }) {
      const page = verdicts.find(pageOf(filter)).sort({ _id: -1 }).limit(Math.min(limit, maxPage))
      return (await page.toArray()).map(verdictFrom)
    },
    async record(draft) {
      try {
        return await database.transact((session) => append(draft, session))
      } catch (error) {
        const known = isDuplicate(error) ? await verdictOf(draft.evaluationId) : undefined
        if (known) return known
        throw error
      }
    },
    async incumbentThresholds({ composite, suite }) {
      const stored = await results.figures({ composite, suite })
      return stored.length < minThresholdResults ? undefined : percentiles(stored)
    },
  }
}

const pageOf = ({ candidate, incumbent, suite, after }: VerdictFilter) => ({
  ...(candidate ? { candidate } : {}),
  ...(incumbent ? { incumbent } : {}),
  ...(suite ? { suite } : {}),
  ...(after ? { _id: { $lt: after } } : {}),
})

function percentiles(results: readonly { readonly costUsd: number; readonly latencyMs: number }[]): FrozenThresholds {
  const at95 = (values: readonly number[]): number => quantileOf(values, 0.95) ?? 0
  return {
    costUsd: at95(results.map(({ costUsd }) => costUsd)),
    latencyMs: at95(results.map(({ latencyMs }) => latencyMs)),
  }
}

/** What the head of a key says of its newest verdict. Figures of a part of a suite are no accuracy. */
function inForce(document: VerdictDocument, versions: readonly Digest[]): Omit<HeadDocument, '_id'> {
  const { _id: verdictId, verdict, candidate, incumbent, suite, evaluationId, at, report, epochs } = document
  const accuracy = verdict === 'no_evidence' ? undefined : report.candidate?.accuracy
  return {
    ...{ verdictId, verdict, candidate, suite, evaluationId, at, versions },
    ...(incumbent === undefined ? {} : { incumbent }),
    ...(epochs === undefined ? {} : { epochs }),
    ...(accuracy === undefined ? {} : { accuracy }),
  }
}
