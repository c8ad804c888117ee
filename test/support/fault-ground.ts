import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startSimulatedEngine } from '../../examples/engine/server'
import { startRelease } from '../../src/api/release-commands'
import type { ReleaseRecord } from '../../src/store/releases'
import { openStore, type Store } from '../../src/store/store'
import { connectTemporal, type Orchestrator } from '../../src/temporal'
import { registerAirline } from './airline'
import type { CrashOrder } from './crashing-worker'
import { registerQuickPolicy } from './release-ground'

const root = join(__dirname, '../..')

export interface Servers {
  readonly mongodbUri: string
  readonly temporalAddress: string
}

/** One task with a queue and a worker process of its own, on a store that all of them share. */
export interface FaultTask {
  readonly task: string
  readonly queue: string
  readonly orchestrator: Orchestrator
  start(prompt: string, policy?: string): Promise<ReleaseRecord>
  /** Starts a worker process; `crashAt` is a boundary of `crashing-worker.ts`. */
  startWorker(options?: { readonly crashAt?: string; readonly bundle?: string }): void
  /** SIGKILL. */
  killWorker(): Promise<void>
  reaches(releaseId: string, what: (record: ReleaseRecord) => boolean, withinMs?: number): Promise<ReleaseRecord>
  end(): Promise<void>
}

export interface FaultGround {
  readonly store: Store
  readonly engineUrl: string
  task(): Promise<FaultTask>
  end(): Promise<void>
}

export async function faultGround(servers: Servers): Promise<FaultGround> {
  const database = `fault_${randomUUID().slice(0, 8)}`
  const store = await openStore(servers.mongodbUri, database)
  const engine = await startSimulatedEngine({ port: 0, latencyScale: 0 })
  await registerAirline(store.catalog, { cases: 8 })
  await registerQuickPolicy(store)
  const tasks: FaultTask[] = []
  return {
    store,
    engineUrl: engine.url,
    async task() {
      const made = await faultTask({ store, database, engineUrl: engine.url, ...servers })
      tasks.push(made)
      return made
    },
    async end() {
      for (const one of tasks) await one.end()
      await engine.stop()
      await store.database.db.dropDatabase()
      await store.database.close()
    },
  }
}

interface TaskPlace extends Servers {
  readonly store: Store
  readonly database: string
  readonly engineUrl: string
}

async function faultTask(place: TaskPlace): Promise<FaultTask> {
  const { store } = place
  const id = randomUUID().slice(0, 8)
  const task = `csat-${id}`
  const queue = `fault-${id}`
  const folder = mkdtempSync(join(tmpdir(), 'sluice-fault-'))
  const roles = { prompt: 'prompt/csat@1.0.0', engine: 'engine/simulated@1.0.0', schema: 'schema/csat-report@1.0.0' }
  await store.catalog.putTask({ name: task, roles, suite: 'suite/airline@1.0.0', policy: 'policy/quick@1.0.0' }, 'ann')
  const orchestrator = await connectTemporal(place.temporalAddress, 'default', queue)
  let worker: ChildProcess | undefined
  let wanted = false

  function startWorker(options: { crashAt?: string; bundle?: string } = {}): void {
    wanted = true
    const bundle = options.bundle ?? process.env.SLUICE_WORKFLOW_BUNDLE ?? ''
    const { store: _store, ...servers } = place
    const files = { notesFolder: join(folder, 'notes'), boundaryFile: join(folder, 'boundaries') }
    const order: CrashOrder = {
      ...servers,
      ...files,
      queue,
      bundle,
      ...(options.crashAt ? { crashAt: options.crashAt } : {}),
    }
    const script = join(root, 'dist/test/support/crashing-worker.js')
    worker = spawn(process.execPath, [script, JSON.stringify(order)], { stdio: ['ignore', 'ignore', 'ignore'] })
    const started = worker
    started.once('exit', () => {
      if (wanted && worker === started) startWorker(options)
    })
  }

  async function killWorker(): Promise<void> {
    wanted = false
    const ending = worker
    worker = undefined
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return
    const gone = new Promise((resolve) => ending.once('exit', resolve))
    ending.kill('SIGKILL')
    await gone
  }

  return {
    task,
    queue,
    orchestrator,
    start: (prompt, policy = 'quick@1.0.0') =>
      startRelease(
        { store, orchestrator, endpoints: { simulated: { url: place.engineUrl } } },
        { task, change: { prompt: `csat@${prompt}` }, why: `try ${prompt}`, policy },
        'ann',
      ),
    startWorker,
    killWorker,
    reaches: (releaseId, what, withinMs = 120_000) => reaches(store, releaseId, what, withinMs),
    async end() {
      await killWorker()
      await orchestrator.close()
    },
  }
}

const pollMs = 100

async function reaches(
  store: Store,
  releaseId: string,
  what: (record: ReleaseRecord) => boolean,
  withinMs: number,
): Promise<ReleaseRecord> {
  const from = performance.now()
  for (;;) {
    const record = await store.releases.get(releaseId)
    if (what(record)) return record
    if (performance.now() - from > withinMs) throw new Error(`the release did not get there: ${JSON.stringify(record)}`)
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}

export const isEnded = (record: ReleaseRecord): boolean => record.endedAt !== undefined
