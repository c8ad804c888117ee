import { ActivityCancellationType, proxyActivities, workflowInfo } from '@temporalio/workflow'
import type { GarbageActivities } from './garbage-messages'
import type { ReleaseActivities, WatchActivities } from './messages'
import type { RescoreActivities } from './rescore-messages'
import { bulkQueueOf, watchQueueOf } from './task-queues'

const minute = 60_000

/** Reads and small writes: idempotent, so they are tried until they succeed. */
export const quick = proxyActivities<ReleaseActivities>({
  startToCloseTimeout: '10s',
  retry: { initialInterval: '200ms', maximumInterval: '10s' },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
})

/** Judge and append in one transaction. Waiting for evidence is a retry, which leaves no trace in the history. */
export const ledger = proxyActivities<ReleaseActivities>({
  startToCloseTimeout: '15s',
  retry: { initialInterval: '200ms', maximumInterval: '5s' },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
})

/** The suite on both arms, the notes to every tenant: long, heartbeating, resuming from what is stored. */
export const long = proxyActivities<ReleaseActivities>({
  startToCloseTimeout: 120 * minute,
  heartbeatTimeout: '10s',
  retry: { initialInterval: '500ms', maximumInterval: '30s' },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
})

/**
 * One watch for the whole release, on a queue beside the workflow's own; after a killed worker the blind gap is the
 * heartbeat time-out.
 */
export const watching = () =>
  proxyActivities<WatchActivities>({
    taskQueue: watchQueueOf(workflowInfo().taskQueue),
    startToCloseTimeout: 30 * 24 * 60 * minute,
    heartbeatTimeout: '5s',
    retry: { initialInterval: '200ms', maximumInterval: '2s' },
    cancellationType: ActivityCancellationType.TRY_CANCEL,
  })

/** Hours of work on the queue for it; whatever comes after a killed worker goes on from what is stored. */
export const bulk = () =>
  proxyActivities<RescoreActivities>({
    taskQueue: bulkQueueOf(workflowInfo().taskQueue),
    startToCloseTimeout: 120 * minute,
    heartbeatTimeout: '30s',
    retry: { initialInterval: '500ms', maximumInterval: '1m' },
    cancellationType: ActivityCancellationType.TRY_CANCEL,
  })

/** One part of a run of retention. What fails for a day will not come right by itself: then the run is closed as failed. */
export const collecting = () =>
  proxyActivities<Pick<GarbageActivities, 'collectGarbagePart'>>({
    taskQueue: bulkQueueOf(workflowInfo().taskQueue),
    startToCloseTimeout: 120 * minute,
    scheduleToCloseTimeout: 24 * 60 * minute,
    heartbeatTimeout: '10s',
    retry: { initialInterval: '500ms', maximumInterval: '1m' },
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  })

/** Opens and closes a run of retention: tried until it succeeds. */
export const recording = () =>
  proxyActivities<Omit<GarbageActivities, 'collectGarbagePart'>>({
    taskQueue: bulkQueueOf(workflowInfo().taskQueue),
    startToCloseTimeout: '10s',
    retry: { initialInterval: '200ms', maximumInterval: '1m' },
  })
