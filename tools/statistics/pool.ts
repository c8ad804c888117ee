import { availableParallelism } from 'node:os'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { type Alarm, type Alarms, trials } from './trials'

interface Task {
  readonly trial: number
  readonly from: number
  readonly to: number
}

interface Result {
  readonly task: Task
  readonly alarms: Alarms
}

/** Small enough that two threads end together, large enough that a message costs nothing. */
const runsPerTask = 25
const mostThreads = 8

/** Runs each trial for the seeds 1 to `runsOf` of its index, on every core. `progress` is called after each part. */
export async function runTrials(
  runsOf: (trial: number) => number,
  progress: (done: number, all: number) => void,
): Promise<readonly Alarms[]> {
  const tasks: Task[] = trials.flatMap((_, trial) => {
    const end = runsOf(trial) + 1
    const parts = Math.ceil((end - 1) / runsPerTask)
    return Array.from({ length: parts }, (_part, part) => {
      const from = 1 + part * runsPerTask
      return { trial, from, to: Math.min(end, from + runsPerTask) }
    })
  })
  const all = tasks.length
  const found = trials.map((): Record<string, Alarm[]> => ({}))
  let done = 0
  const take = ({ task, alarms }: Result): void => {
    const sum = found[task.trial] ?? {}
    for (const [name, more] of Object.entries(alarms)) sum[name] = [...(sum[name] ?? []), ...more]
    done += 1
    progress(done, all)
  }
  const threads = Math.min(mostThreads, Math.max(1, availableParallelism()))
  await Promise.all(Array.from({ length: threads }, () => work(tasks, take)))
  return found
}

/** One thread, which is given a part as soon as it has answered the last. */
function work(tasks: Task[], take: (result: Result) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(__filename)
    const next = (): void => {
      const task = tasks.shift()
      if (task) worker.postMessage(task)
      else void worker.terminate().then(() => resolve(), reject)
    }
    worker.on('error', reject)
    worker.on('message', (result: Result) => {
      take(result)
      next()
    })
    next()
  })
}

if (!isMainThread && parentPort) {
  const port = parentPort
  port.on('message', (task: Task) => {
    const alarms = trials[task.trial]?.run(task.from, task.to) ?? {}
    port.postMessage({ task, alarms } satisfies Result)
  })
}
