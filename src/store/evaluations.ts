import type { EvidenceKey } from '../domain/evaluation'
import { SluiceError } from '../errors'
import { markCompositeUsed } from './composite-uses'
import type { CollectionSpec, Database } from './database'
import { maxPage } from './list-page'
import { markUsed } from './version-uses'

export type EvaluationState = 'running' | 'done' | 'failed' | 'cancelled'

export interface EvaluationProgress {
  readonly done: number
  readonly total: number
  /** Of `done`, those read from the store. */
  readonly fromStore: number
  readonly paidUsd: number
}

/** One run of a suite, from its start to its verdict. */
export interface EvaluationRun extends EvidenceKey {
  readonly id: string
  readonly by: string
  readonly state: EvaluationState
  readonly progress: EvaluationProgress
  readonly startedAt: number
  /** Of the last progress: a run that is silent for long has lost its process; starting it again resumes it. */
  readonly updatedAt: number
  readonly error?: { readonly code: string; readonly message: string }
}

export interface EvaluationRuns {
  /** Begins or resumes a run; one that is done stays done. Throws content_dropped. */
  begin(id: string, key: EvidenceKey, by: string): Promise<EvaluationRun>
  progress(id: string, progress: EvaluationProgress): Promise<void>
  end(id: string, state: Exclude<EvaluationState, 'running'>, error?: EvaluationRun['error']): Promise<void>
  /** Throws not_found. */
  get(id: string): Promise<EvaluationRun>
  /** The newest first; `after` is the id of the last one of the page before. */
  list(page: { readonly after?: string; readonly limit?: number }): Promise<readonly EvaluationRun[]>
}

type RunDocument = Omit<EvaluationRun, 'id'> & { readonly _id: string }

export const evaluationCollections: readonly CollectionSpec[] = [{ name: 'evaluations' }]

export const noProgress: EvaluationProgress = { done: 0, total: 0, fromStore: 0, paidUsd: 0 }
const runFrom = ({ _id, ...rest }: RunDocument): EvaluationRun => ({ id: _id, ...rest })

export function createEvaluationRuns(database: Database): EvaluationRuns {
  const runs = database.collection<RunDocument>('evaluations')
  const get = async (id: string): Promise<EvaluationRun> => {
    const found = await runs.findOne({ _id: id })
    if (!found) throw new SluiceError('not_found', `There is no evaluation ${id}.`, { id })
    return runFrom(found)
  }
  return {
    async begin(id, key, by) {
      const now = await database.now()
      const { candidate, incumbent, suite, policy } = key
      for (const composite of [candidate, incumbent]) {
        if (composite !== undefined) await markCompositeUsed(database, composite)
      }
      await markUsed(database, { digests: [suite, policy] })
      const first = { candidate, ...(incumbent ? { incumbent } : {}), suite, policy, by, startedAt: now }
      await runs.updateOne(
        { _id: id },
        { $setOnInsert: { ...first, state: 'failed', progress: noProgress, updatedAt: now } },
        { upsert: true },
      )
      const resumed = { $set: { state: 'running' as const, updatedAt: now }, $unset: { error: 1 as const } }
      await runs.updateOne({ _id: id, state: { $ne: 'done' } }, resumed)
      return get(id)
    },
    async progress(id, progress) {
      await runs.updateOne({ _id: id, state: 'running' }, { $set: { progress, updatedAt: await database.now() } })
    },
    async end(id, state, error) {
      const ended = { state, updatedAt: await database.now(), ...(error ? { error } : {}) }
      await runs.updateOne({ _id: id, state: 'running' }, { $set: ended })
    },
    get,
    async list({ after, limit = maxPage }) {
      const page = runs
        .find(after ? { _id: { $lt: after } } : {})
        .sort({ _id: -1 })
        .limit(Math.min(limit, maxPage))
      return (await page.toArray()).map(runFrom)
    },
  }
}
