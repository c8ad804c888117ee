import { ApplicationFailure } from '@temporalio/common'

/** Recorded histories name no machine: the stack is no more than its first line. */
export function scriptedFailure(message: string, type: string): ApplicationFailure {
  const failure = ApplicationFailure.nonRetryable(message, type)
  failure.stack = String(failure)
  return failure
}
