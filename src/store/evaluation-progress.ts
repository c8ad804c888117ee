import type { Judging } from './evaluation-judging'
import { type EvaluationProgress, type EvaluationRuns, noProgress } from './evaluations'

/** Progress goes to the store at most this often. */
const progressIntervalMs = 500

export interface ProgressSaver {
  onProgress(progress: EvaluationProgress): void
  /** Shows that the run goes on where no case was run yet: a run that is silent for long counts as lost. */
  alive(): void
  /** Waits until the last progress is written. */
  flush(): Promise<void>
}

/** Writes progress seldom and one at a time; `flush` waits for the last one. */
export function progressSaver(
  evaluations: EvaluationRuns,
  id: string,
  onProgress?: (progress: EvaluationProgress) => void,
): ProgressSaver {
  let newest: EvaluationProgress | undefined
  let savedAt = 0
  let saving: Promise<void> = Promise.resolve()
  const save = (): void => {
    const progress = newest
    savedAt = performance.now()
    if (!progress) return
    // Progress is for people only: a write that fails must not fail the run, which has its own writes to fail on.
    saving = saving.then(() => evaluations.progress(id, progress)).catch(() => undefined)
  }
  const saveSeldom = (): void => {
    if (performance.now() - savedAt >= progressIntervalMs) save()
  }
  return {
    onProgress(progress: EvaluationProgress): void {
      newest = progress
      onProgress?.(progress)
      saveSeldom()
    },
    alive(): void {
      newest ??= noProgress
      saveSeldom()
    },
    async flush(): Promise<void> {
      save()
      await saving
    },
  }
}

/** Calls of the arms and of the judges told as one. */
export class SharedProgress {
  private calls: EvaluationProgress | undefined
  private readonly tell: (progress: EvaluationProgress) => void

  constructor(tell: (progress: EvaluationProgress) => void) {
    this.tell = tell
  }

  called(progress: EvaluationProgress, judging: Judging | undefined): void {
    this.calls = progress
    this.judged(judging)
  }

  judged(judging: Judging | undefined): void {
    if (!this.calls) return
    const { done = 0, fromStore = 0, expected = 0 } = judging ?? {}
    const { calls } = this
    this.tell({
      done: calls.done + done,
      total: calls.total + expected,
      fromStore: calls.fromStore + fromStore,
      paidUsd: judging?.paidUsd ?? calls.paidUsd,
    })
  }
}
