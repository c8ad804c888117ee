import { SluiceError } from '../errors'
import type { Leakage, LeakageProgress, LeakageQuestion } from '../store/leakage'

/** Proofs that one server works on at the same time, each at the pace of one core; further ones are told to come back. */
const maxRunning = 2
/** Failed runs whose fault nobody has asked for yet. */
const maxFaults = 100

/** Makes leakage proofs in the background of the server: a million rows take longer than a request should. */
export interface LeakageRunner {
  /** Starts the run or finds it. Throws what the last run of it failed with, once, and rate_limited. */
  follow(question: LeakageQuestion): LeakageProgress
  /** Aborts what runs and waits for it; proofs made so far stay. */
  stop(): Promise<void>
}

interface Run {
  progress: LeakageProgress
  ended: Promise<void>
}

export function createLeakageRunner(leakage: Pick<Leakage, 'prove'>): LeakageRunner {
  const running = new Map<string, Run>()
  const faults = new Map<string, unknown>()
  const stopping = new AbortController()

  const start = (key: string, question: LeakageQuestion): Run => {
    const run: Run = { progress: { rows: 0, of: 0 }, ended: Promise.resolve() }
    const onProgress = (progress: LeakageProgress): void => {
      run.progress = progress
    }
    const failed = (fault: unknown): void => {
      const [oldest] = faults.keys()
      if (faults.size >= maxFaults && oldest !== undefined) faults.delete(oldest)
      faults.set(key, fault)
    }
    const work = leakage.prove(question, { signal: stopping.signal, onProgress }).then(() => undefined, failed)
    run.ended = work.then(() => void running.delete(key))
    running.set(key, run)
    return run
  }

  return {
    follow(question) {
      const key = `${question.composite} ${question.suite}`
      const fault = faults.get(key)
      faults.delete(key)
      if (fault !== undefined) throw fault
      const known = running.get(key)
      if (known !== undefined) return known.progress
      if (running.size >= maxRunning) {
        throw new SluiceError('rate_limited', `${maxRunning} leakage proofs are being made; wait for one to end.`)
      }
      return start(key, question).progress
    },
    async stop() {
      stopping.abort(new SluiceError('rate_limited', 'The server is stopping; ask again.'))
      await Promise.all([...running.values()].map(({ ended }) => ended))
    },
  }
}
