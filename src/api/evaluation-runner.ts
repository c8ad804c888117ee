import { ulid } from 'ulid'
import type { EvidenceKey } from '../domain/evaluation'
import { SluiceError } from '../errors'
import { logFault } from '../log'
import { runEvaluation } from '../store/evaluation-run'
import type { EvaluationRun } from '../store/evaluations'
import type { ApiDeps } from './app'

/** Evaluations that one server runs at the same time; further ones are told to come back. */
const maxRunning = 4

export interface EvaluationStart extends EvidenceKey {
  readonly by: string
}

/** Runs evaluations in the background of the server; what it was at is seen in the store. */
export interface EvaluationRunner {
  /** Begins the run of this id, or goes on with it. Throws rate_limited. */
  start(order: EvaluationStart, id?: string): Promise<EvaluationRun>
  /** Aborts what runs and waits for it; results so far stay stored. */
  stop(): Promise<void>
}

export function createEvaluationRunner({ store, endpoints, log }: ApiDeps): EvaluationRunner {
  const running = new Map<string, Promise<void>>()
  const stopping = new AbortController()
  return {
    async start(order, id = ulid()) {
      if (running.has(id)) return store.evaluations.get(id)
      if (running.size >= maxRunning) {
        throw new SluiceError('rate_limited', `${maxRunning} evaluations are running; wait for one to end.`)
      }
      // The place is taken before anything is awaited: calls at the same moment count each other.
      running.set(id, Promise.resolve())
      const run = await store.evaluations.begin(id, order, order.by).catch((error: unknown) => {
        running.delete(id)
        throw error
      })
      const { signal } = stopping
      // What goes wrong is written into the run, where whoever asked for it reads it.
      const work = runEvaluation({ ...store, endpoints }, { ...order, evaluationId: id }, { signal }).catch(
        (error: unknown) => {
          if (!(error instanceof SluiceError))
            logFault(log, error, { text: 'an evaluation ended on an unexpected fault', id })
        },
      )
      const ended = work.then(() => {
        running.delete(id)
      })
      running.set(id, ended)
      return run
    },
    async stop() {
      stopping.abort(new SluiceError('engine_failed', 'The server is stopping.'))
      await Promise.all(running.values())
    },
  }
}
