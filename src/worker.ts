import { DefaultLogger, type LogLevel, NativeConnection, Runtime, Worker, type WorkerOptions } from '@temporalio/worker'
import { createGarbageActivities } from '../activities/garbage'
import { createReleaseActivities } from '../activities/release'
import { createRescoreActivities } from '../activities/rescore'
import { type WatchDeps, watchRelease } from '../activities/watch'
import type { ReleaseActivities, WatchActivities } from '../workflows/messages'
import type { RescoreActivities } from '../workflows/rescore-messages'
import { bulkQueueOf, mainQueue, watchQueueOf } from '../workflows/task-queues'
import { readConfig, requireServers } from './config'
import type { Endpoints } from './engines/engine'
import { openLog } from './log'
import { notesFolderOf, runMain } from './main'
import { openStore, type Store } from './store/store'
import { connectTemporal, type Orchestrator } from './temporal'

export interface WorkerDeps {
  readonly store: Store
  readonly orchestrator: Orchestrator
  readonly release: ReleaseActivities
  readonly rescore: RescoreActivities
  readonly endpoints: Endpoints
  readonly tickMs?: number
}

const defaultTickMs = 1_000

/** The activities of the safety clock. */
export function createWatchActivities({
  store,
  orchestrator,
  endpoints,
  tickMs = defaultTickMs,
}: WorkerDeps): WatchActivities {
  const deps: WatchDeps = {
    store,
    endpoints,
    tickMs,
    // To this run by name: the next release of the task runs under the same workflow id.
    async askPause({ workflowId, runId }, reason) {
      const place = runId === undefined ? { workflowId } : { workflowId, runId }
      await orchestrator.signal(place, 'pause', { by: 'guardrail', reason })
    },
    async isRunning(workflowId, runId) {
      return (await orchestrator.health({ workflowId, runId })).kind === 'running'
    },
  }
  return { watchRelease: ({ releaseId }) => watchRelease(deps, releaseId) }
}

const shutdown = { shutdownGraceTime: '5s', shutdownForceTime: '10s' } as const
const watchSlots = 300
/** Each runs for long and pages through much; more of them at once would only wait for each other. */
const bulkSlots = 10

export interface WorkerPlace {
  readonly connection: NativeConnection
  readonly namespace: string
  /** Queue of workflows and activities; the safety clock's is `<queue>-watch`, that of long work `<queue>-bulk`. */
  readonly queue?: string
  readonly workflows: Pick<WorkerOptions, 'workflowBundle' | 'workflowsPath'>
}

/** The roles of a worker process: decisions and effects, the safety clocks, and work that takes long. */
export async function createWorkers(deps: WorkerDeps, place: WorkerPlace): Promise<readonly Worker[]> {
  const { connection, namespace, queue = mainQueue } = place
  const common = { connection, namespace, ...shutdown }
  const main = await Worker.create({ ...common, taskQueue: queue, ...place.workflows, activities: { ...deps.release } })
  const watch = await Worker.create({
    ...common,
    taskQueue: watchQueueOf(queue),
    activities: { ...createWatchActivities(deps) },
    maxConcurrentActivityTaskExecutions: watchSlots,
  })
  const bulk = await Worker.create({
    ...common,
    taskQueue: bulkQueueOf(queue),
    activities: { ...deps.rescore, ...createGarbageActivities(deps.store) },
    maxConcurrentActivityTaskExecutions: bulkSlots,
  })
  return [main, watch, bulk]
}

const levels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const satisfies Record<
  LogLevel,
  string
>

async function main(): Promise<void> {
  const config = requireServers(readConfig())
  const log = openLog('worker', config.logLevel)
  Runtime.install({
    logger: new DefaultLogger('WARN', ({ level, message, meta }) => log[levels[level]]({ ...meta }, message)),
  })
  const store = await openStore(config.mongodbUri, config.database)
  const orchestrator = await connectTemporal(config.temporalAddress, config.namespace)
  const connection = await NativeConnection.connect({ address: config.temporalAddress })
  const release = createReleaseActivities({ store, endpoints: config.endpoints, notesFolder: notesFolderOf(config) })
  const rescore = createRescoreActivities({ store, endpoints: config.endpoints })
  const workflows = config.workflowBundle
    ? { workflowBundle: { codePath: config.workflowBundle } }
    : { workflowsPath: require.resolve('../workflows') }
  const workers = await createWorkers(
    { store, orchestrator, release, rescore, endpoints: config.endpoints },
    { connection, namespace: config.namespace, workflows },
  )
  process.stdout.write(`${JSON.stringify({ ready: true })}\n`)
  await Promise.all(workers.map((worker) => worker.run()))
  await connection.close()
  await orchestrator.close()
  await store.database.close()
}

runMain(module, main)
