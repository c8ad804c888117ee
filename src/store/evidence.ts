import { type ClientSession, MongoServerError } from 'mongodb'
import { ulid } from 'ulid'
import type { FrozenThresholds } from '../domain/allocation'
import type { EvidenceKey, Verdict } from '../domain/evaluation'
import type { Digest } from '../domain/version'
import { quantileOf } from '../stats/grouped'
import { digestOf } from './canonical'
import type { CollectionSpec, Database } from './database'
import { createResultStore, type ResultStore, resultCollections } from './evidence-results'

export type VerdictDraft = Omit<Verdict, 'id' | 'at'>

export interface VerdictFilter {
  readonly candidate?: Digest
  readonly suite?: Digest
  /** Id of the last verdict of the page before. */
  readonly after?: string
  readonly limit?: number
}

/** What the test stage found: raw results by case, and verdicts by what they are bound to. Nothing is ever overwritten. */
export interface Evidence {
  readonly results: ResultStore
  /** Is there a passing verdict in force for exactly this? Also within the ledger's transaction. */
  passing(key: EvidenceKey, session?: ClientSession): Promise<boolean>
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
}

/** Points at the verdict in force of one key. */
interface HeadDocument {
  readonly _id: string
  readonly verdictId: string
  readonly verdict: Verdict['verdict']
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

const maxVerdictPage = 200
export const minThresholdResults = 20

/** A key without incumbent is a key of its own: absolute evidence is not evidence against an incumbent. */
const keyId = ({ candidate, incumbent, suite, policy }: EvidenceKey): string =>
  digestOf({ candidate, incumbent: incumbent ?? 'none', suite, policy })

const verdictFrom = ({ _id, key: _key, ...rest }: VerdictDocument): Verdict => ({ id: _id, ...rest })

const duplicateKey = 11_000

/** Another process recorded the same evaluation at the same moment. */
const isDuplicate = (error: unknown): boolean => error instanceof MongoServerError && error.code === duplicateKey

export function createEvidence(database: Database): Evidence {
  const verdicts = database.collection<VerdictDocument>('verdicts')
  const heads = database.collection<HeadDocument>('verdict_heads')
  const results = createResultStore(database)

  const verdictOf = async (evaluationId: string, session?: ClientSession): Promise<Verdict | undefined> => {
    const found = await verdicts.findOne({ evaluationId }, session ? { session } : {})
    return found ? verdictFrom(found) : undefined
  }

  const append = async (draft: VerdictDraft, session: ClientSession): Promise<Verdict> => {
    const known = await verdictOf(draft.evaluationId, session)
    if (known) return known
    const at = await database.now(session)
    const document: VerdictDocument = { ...draft, _id: ulid(at), key: keyId(draft), at }
    await verdicts.insertOne(document, { session })
    const head = { $set: { verdictId: document._id, verdict: document.verdict } }
    await heads.updateOne({ _id: document.key }, head, { upsert: true, session })
    return verdictFrom(document)
  }

  return {
    results,
    async passing(key, session) {
      const head = await heads.findOne({ _id: keyId(key) }, session ? { session } : {})
      return head?.verdict === 'pass'
    },
    async verdict(key) {
      const head = await heads.findOne({ _id: keyId(key) })
      const found = head && (await verdicts.findOne({ _id: head.verdictId }))
      return found ? verdictFrom(found) : undefined
    },
    verdictOf: (evaluationId) => verdictOf(evaluationId),
    async verdicts({ candidate, suite, after, limit = maxVerdictPage }) {
      const filter = {
        ...(candidate ? { candidate } : {}),
        ...(suite ? { suite } : {}),
        ...(after ? { _id: { $lt: after } } : {}),
      }
      const page = verdicts.find(filter).sort({ _id: -1 }).limit(Math.min(limit, maxVerdictPage))
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
      if (stored.length < minThresholdResults) return undefined
      const costUsd =
        quantileOf(
          stored.map((row) => row.costUsd),
          0.95,
        ) ?? 0
      const latencyMs =
        quantileOf(
          stored.map((row) => row.latencyMs),
          0.95,
        ) ?? 0
      return { costUsd, latencyMs }
    },
  }
}
