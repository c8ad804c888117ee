import { setTimeout as pause } from 'node:timers/promises'
import { SluiceError } from '../errors'
import { tailOf } from './files'
import { endLeftover, type ManagedProcess, type ProcessSpec, startProcess } from './managed-process'

/** A process of the product that is kept running. */
export interface Supervised {
  readonly name: string
  /** The one that runs now, or ran last. */
  readonly process: ManagedProcess
  /** SIGKILL, and it stays down until `restart`. */
  kill(): Promise<void>
  /** Starts it (ending the one that runs); resolves when it says that it is ready. */
  restart(): Promise<void>
  stop(): Promise<void>
}

export interface SupervisedOptions {
  readonly spec: Omit<ProcessSpec, 'onLine'>
  /** Start it again, after a pause, when it ends without being asked to. */
  readonly keepRunning: boolean
  /** Told once when it ended too often; it then stays down. */
  readonly onGivenUp: (error: SluiceError) => void
  readonly onLine: (line: string) => void
  /** Before each start after a crash; as many as there are, then it is given up. */
  readonly pausesMs?: readonly number[]
}

const readyMs = 90_000
/** Longer than a worker's own forced shutdown of 30 s, so that it is not cut short. */
const graceMs = 35_000
const usualPausesMs: readonly number[] = [250, 500, 1000, 2000, 4000, 8000, 8000, 8000]
/** A run of this length is a healthy one: the count of crashes starts anew. */
const healthyMs = 60_000

export async function supervise(options: SupervisedOptions): Promise<Supervised> {
  const { spec, pausesMs = usualPausesMs } = options
  await endLeftover(spec.folder, spec.name)
  // Moves on with every order from outside, so that a recovery that began before the order gives way to it.
  let epoch = 0
  let crashes = 0
  let recovery: Promise<void> = Promise.resolve()
  let current = watched(await startUntilReady(options), epoch)

  function watched(started: ManagedProcess, during: number): ManagedProcess {
    const startedAt = performance.now()
    void started.exited.then((code) => {
      if (during !== epoch || !options.keepRunning) return
      if (performance.now() - startedAt > healthyMs) crashes = 0
      recovery = recover(during, `it ended with code ${code}`)
    })
    return started
  }

  async function recover(during: number, reason: string): Promise<void> {
    let last = reason
    for (; crashes < pausesMs.length; crashes++) {
      const pauseMs = pausesMs[crashes] ?? 0
      options.onLine(`${spec.name}: ${last}; starting it again in ${pauseMs} ms`)
      await pause(pauseMs)
      if (during !== epoch) return
      try {
        const next = await startUntilReady(options)
        crashes++
        if (during === epoch) current = watched(next, during)
        else await next.stop(0)
        return
      } catch (error) {
        last = (error as Error).message
      }
    }
    const message = `The ${spec.name} ended ${crashes} times in a row and is given up. The last time: ${last}`
    options.onGivenUp(new SluiceError('internal', message, { log: current.log }))
  }

  /** After it, nothing but the caller changes what runs. */
  async function takeOver(): Promise<void> {
    epoch++
    crashes = 0
    await recovery
  }

  async function kill(): Promise<void> {
    current.signal('SIGKILL')
    await takeOver()
    await current.exited
  }

  return {
    name: spec.name,
    get process() {
      return current
    },
    kill,
    async restart() {
      await kill()
      current = watched(await startUntilReady(options), epoch)
    },
    async stop() {
      await takeOver()
      await current.stop(graceMs)
    },
  }
}

/** Resolves when the process has printed a JSON line with `"ready": true`. */
async function startUntilReady({ spec }: SupervisedOptions): Promise<ManagedProcess> {
  let tellReady: () => void = () => undefined
  const ready = new Promise<'ready'>((resolve) => {
    tellReady = () => resolve('ready')
  })
  const started = await startProcess({
    ...spec,
    onLine(line) {
      if (saysReady(line)) tellReady()
    },
  })
  const late = new AbortController()
  const outcome = await Promise.race([
    ready,
    started.exited,
    pause(readyMs, 'late' as const, { signal: late.signal, ref: false }),
  ])
  late.abort()
  if (outcome === 'ready') return started
  await started.stop(0)
  const what =
    outcome === 'late' ? `is not ready within ${readyMs / 1000} s` : `ended with code ${outcome} at its start`
  throw new SluiceError('internal', `The ${spec.name} ${what}. The end of ${started.log}:\n${tailOf(started.log)}`, {
    log: started.log,
  })
}

function saysReady(line: string): boolean {
  if (!line.startsWith('{')) return false
  try {
    return (JSON.parse(line) as { ready?: unknown }).ready === true
  } catch {
    return false
  }
}
