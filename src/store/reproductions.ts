import type { ProviderPair } from '../domain/provider-change'
import type { ReproductionFinding } from '../domain/reproduction'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import type { CollectionSpec, Database } from './database'

export type ReproductionState = 'running' | 'done' | 'failed' | 'cancelled'

/** How often the provider said that it ran this. */
export interface PairSeen extends ProviderPair {
  readonly repeats: number
}

/** What a reproduction found. Outputs are not in it: they would outlive the erasure of what they were made from. */
export interface ReproductionResult {
  readonly finding: ReproductionFinding
  readonly validRepeats: number
  readonly failedCalls: number
  readonly provider: {
    /** Whether the repeats were run on what the log names; `unknown` where either side does not say. */
    readonly same: 'same' | 'changed' | 'unknown'
    readonly logged: ProviderPair
    readonly seen: readonly PairSeen[]
  }
  /** What could not be taken into account, and why. */
  readonly missing: readonly string[]
}

/** One reproduction of a served request, from its start to what it found. */
export interface Reproduction {
  readonly id: string
  readonly requestId: string
  readonly composite: Digest
  readonly by: string
  readonly state: ReproductionState
  readonly repeats: number
  readonly alpha: number
  readonly budgetUsd: number
  /** Every repeat used it, as the request did; absent: the engine pins none. */
  readonly seed?: number
  readonly inputFrom: 'captured' | 'given'
  readonly progress: { readonly done: number; readonly paidUsd: number }
  readonly startedAt: number
  /** Of the last progress: one that is silent for long has lost its process, and is started anew. */
  readonly updatedAt: number
  readonly result?: ReproductionResult
  readonly error?: { readonly code: string; readonly message: string }
}

export type ReproductionDraft = Omit<
  Reproduction,
  'state' | 'progress' | 'startedAt' | 'updatedAt' | 'result' | 'error'
>

export interface Reproductions {
  /** The run of this id, begun now unless there is one. */
  begin(draft: ReproductionDraft): Promise<Reproduction>
  progress(id: string, progress: Reproduction['progress']): Promise<void>
  finish(id: string, result: ReproductionResult): Promise<void>
  end(id: string, state: 'failed' | 'cancelled', error: NonNullable<Reproduction['error']>): Promise<void>
  /** Throws not_found. */
  get(id: string): Promise<Reproduction>
}

type ReproductionDocument = Omit<Reproduction, 'id'> & { readonly _id: string; readonly begunAt: Date }

const retentionSeconds = 180 * 24 * 3_600

export const reproductionCollections: readonly CollectionSpec[] = [
  {
    name: 'reproductions',
    indexes: [{ key: { requestId: 1 } }, { key: { begunAt: 1 }, expireAfterSeconds: retentionSeconds }],
  },
]

export function createReproductions(database: Database): Reproductions {
  const runs = database.collection<ReproductionDocument>('reproductions')
  const change = async (id: string, fields: Partial<ReproductionDocument>): Promise<void> => {
    const updatedAt = await database.now()
    await runs.updateOne({ _id: id, state: 'running' }, { $set: { ...fields, updatedAt } })
  }
  const get = async (id: string): Promise<Reproduction> => {
    const found = await runs.findOne({ _id: id })
    if (!found) throw new SluiceError('not_found', `There is no reproduction ${id}.`, { id })
    const { _id, begunAt: _begunAt, ...rest } = found
    return { id: _id, ...rest }
  }
  return {
    async begin({ id, ...draft }) {
      const startedAt = await database.now()
      const fresh = { ...draft, state: 'running' as const, progress: { done: 0, paidUsd: 0 } }
      const begun = { ...fresh, startedAt, updatedAt: startedAt, begunAt: new Date(startedAt) }
      await runs.updateOne({ _id: id }, { $setOnInsert: begun }, { upsert: true })
      return get(id)
    },
    progress: (id, progress) => change(id, { progress }),
    finish: (id, result) => change(id, { state: 'done', result }),
    end: (id, state, error) => change(id, { state, error }),
    get,
  }
}
