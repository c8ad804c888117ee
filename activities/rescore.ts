import { cancellationSignal } from '@temporalio/activity'
import type { RescoreOutcome } from '../src/domain/rescore'
import type { Endpoints } from '../src/engines/engine'
import { SluiceError } from '../src/errors'
import { runEvaluation } from '../src/store/evaluation-run'
import { planRescore } from '../src/store/rescore-plan'
import type { Store } from '../src/store/store'
import type { RescoreActivities, RescoreItemRequest } from '../workflows/rescore-messages'
import { beating, permanent } from './attempts'

export interface RescoreDeps {
  readonly store: Store
  readonly endpoints: Endpoints
}

/** Composites beside those that serve, where nothing else is asked for. */
export const defaultRecent = 10

/** What a rescore does to the world. Every effect may run twice, or be cut off and go on from what is stored. */
export function createRescoreActivities(deps: RescoreDeps): RescoreActivities {
  const { store } = deps
  return {
    planRescore: ({ rescoreId, task, suite, by, recent = defaultRecent }) =>
      permanent(async () => {
        if (rescoreId !== undefined) {
          const { of } = await store.rescores.get(rescoreId)
          return { rescoreId, of }
        }
        const { digest } = await store.catalog.version(suite.includes('/') ? suite : `suite/${suite}`)
        const { id, of } = await store.rescores.open(await planRescore(store, { task, suite: digest, recent }), by)
        return { rescoreId: id, of }
      }),
    rescoreItem: (request) => permanent(() => beating((tell) => scoreItem(deps, request, tell))),
    closeRescore: ({ rescoreId, state }) => permanent(() => store.rescores.close(rescoreId, state)),
  }
}

async function scoreItem(
  deps: RescoreDeps,
  { rescoreId, index }: RescoreItemRequest,
  tell: (details: unknown) => void,
): Promise<{ readonly composite: string; readonly outcome: RescoreOutcome }> {
  const { store, endpoints } = deps
  const item = await store.rescores.item(rescoreId, index)
  const { composite, incumbent, evaluationId } = item
  if (item.outcome) return { composite, outcome: item.outcome }
  const { suite, policy, by } = await store.rescores.get(rescoreId)
  const order = { evaluationId, by, candidate: composite, suite, policy, ...(incumbent ? { incumbent } : {}) }
  const hooks = { signal: cancellationSignal(), onProgress: tell }
  const outcome = await runEvaluation({ ...store, endpoints }, order, hooks).then(
    ({ verdict }): RescoreOutcome => ({ kind: 'scored', verdict }),
    (error: unknown): RescoreOutcome => {
      // One composite that a suite cannot run on says nothing about the others.
      if (!(error instanceof SluiceError) || error.retryable) throw error
      return { kind: 'failed', code: error.code, message: error.message }
    },
  )
  await store.rescores.settle(rescoreId, index, outcome)
  return { composite, outcome }
}
