import { cancellationSignal } from '@temporalio/activity'
import type { Store } from '../src/store/store'
import type { GarbageActivities } from '../workflows/garbage-messages'
import { beating, permanent } from './attempts'

/** What a run of retention does to the store. */
export function createGarbageActivities({ garbage }: Pick<Store, 'garbage'>): GarbageActivities {
  return {
    openGarbageRun: ({ by, runId, scheduled = false }) =>
      permanent(async () => {
        if (runId !== undefined) return garbage.run(runId)
        if (scheduled && !(await garbage.policy()).automatic) return undefined
        return garbage.open(by)
      }),
    collectGarbagePart: ({ runId, phase }) =>
      permanent(() =>
        beating((tell) => garbage.collect(runId, phase, { signal: cancellationSignal(), onProgress: tell })),
      ),
    closeGarbageRun: ({ runId, state, failure }) => permanent(() => garbage.close(runId, state, failure)),
  }
}
