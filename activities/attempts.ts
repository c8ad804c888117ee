import { heartbeat } from '@temporalio/activity'
import { ApplicationFailure } from '@temporalio/common'
import { SluiceError } from '../src/errors'

const heartbeatEveryMs = 2_000

/** What the caller must change is not retried; what may pass is. */
export async function permanent<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof SluiceError && !error.retryable)
      throw ApplicationFailure.nonRetryable(error.message, error.code)
    throw error
  }
}

/**
 * Heartbeats while the work runs, so that a killed worker is noticed and a cancellation arrives. What the work tells goes
 * along for people to see; the newest only, so that it stays small.
 */
export async function beating<T>(work: (tell: (details: unknown) => void) => Promise<T>): Promise<T> {
  let told: unknown
  const timer = setInterval(() => heartbeat(told), heartbeatEveryMs)
  try {
    return await work((details) => {
      told = details
    })
  } finally {
    clearInterval(timer)
  }
}
