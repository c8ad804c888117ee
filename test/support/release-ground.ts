import { randomUUID } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, Connection } from '@temporalio/client'
import { DefaultLogger, NativeConnection, Runtime, type Worker } from '@temporalio/worker'
import { createReleaseActivities } from '../../activities/release'
import { createRescoreActivities } from '../../activities/rescore'
import { type SimulatedEngine, startSimulatedEngine } from '../../examples/engine/server'
import { startRelease } from '../../src/api/release-commands'
import type { ReleaseRequest } from '../../src/domain/plan'
import type { Policy } from '../../src/domain/policy'
import type { Endpoints } from '../../src/engines/engine'
import type { ReleaseRecord } from '../../src/store/releases'
import type { Store } from '../../src/store/store'
import { connectTemporal, type Orchestrator } from '../../src/temporal'
import { createWorkers, type WorkerDeps, type WorkerPlace } from '../../src/worker'
import { workflowSource } from '../../tools/scripted/scripted-worker'
import { releaseWorkflowId } from '../../workflows/workflow-ids'
import { registerAirline } from './airline'
import { groundAddress, testStore } from './ground'
import { until } from './until'

/** A policy with bakes of milliseconds, for tests. */
export const quickPolicy: Policy = {
  environments: ['staging', 'production'],
  leadMs: 20,
  approvals: { count: 0, notTheAuthor: false, trustSignals: true },
  test: {
    regressionMargin: 0.5,
    schemaComplianceMin: 0,
    tokensRatioMax: 10,
    latencyRatioMax: 1_000,
    costRatioMax: 10,
    shiftMargin: 1,
    budgetUsd: 5,
  },
  stage: { smokeCases: 1 },
  pilot: { ring: 'pilot', basisPoints: 5_000, by: 'conversation', bakeMs: 200, minimumSample: 0 },
  steps: [
    { basisPoints: 500, bakeMs: 200, minimumSample: 0 },
    { basisPoints: 5_000, bakeMs: 200, minimumSample: 0 },
  ],
  by: 'conversation',
  alpha: 0.05,
  guardrails: [{ metric: 'error_rate', role: 'rollback', margin: 0.25, noEvidence: 'extend' }],
  breakers: [],
  deadlineMs: 60_000,
  onDeadline: 'pause',
  exceptions: ['breaking', 'shifting'],
  afterRollback: { hold: true, veto: true },
}

/** Real servers, a worker on a queue of its own, the simulated engine and a task of its own. */
export interface ReleaseGround {
  readonly store: Store
  readonly orchestrator: Orchestrator
  readonly client: Client
  readonly task: string
  readonly queue: string
  readonly endpoints: Endpoints
  readonly engine: SimulatedEngine
  policy(name: string, change: Partial<Policy>): Promise<string>
  request(prompt: string, policy?: string): ReleaseRequest
  start(request: ReleaseRequest, author?: string): Promise<ReleaseRecord>
  /** The record once its phase is closed. */
  ended(releaseId: string): Promise<ReleaseRecord>
  reaches(releaseId: string, what: (record: ReleaseRecord) => boolean): Promise<ReleaseRecord>
  /** Puts the first composite (prompt 1.0.0) in production. */
  settleFirst(): Promise<void>
  startWorker(): Promise<void>
  stopWorker(): Promise<void>
  end(): Promise<void>
}

Runtime.install({ logger: new DefaultLogger('ERROR') })

export async function releaseGround(options: { readonly cases?: number } = {}): Promise<ReleaseGround> {
  const { store, drop } = await testStore()
  const address = groundAddress('TEMPORAL_ADDRESS')
  const id = randomUUID().slice(0, 8)
  const task = `csat-${id}`
  const queue = `sluice-${id}`
  const engine = await startSimulatedEngine({ port: 0, latencyScale: 0 })
  const endpoints = { simulated: { url: engine.url } }
  const orchestrator = await connectTemporal(address, 'default', queue)
  const client = new Client({ connection: await Connection.connect({ address }) })
  const native = await NativeConnection.connect({ address })
  await registerAirline(store.catalog, { cases: options.cases ?? 8 })
  await registerQuickPolicy(store)
  await putTask(store, task)
  const notesFolder = await mkdtemp(join(tmpdir(), 'sluice-notes-'))
  const release = createReleaseActivities({ store, endpoints, notesFolder })
  const rescore = createRescoreActivities({ store, endpoints })
  const worker = testWorker(
    { store, orchestrator, release, rescore, endpoints, tickMs: 200 },
    { connection: native, namespace: 'default', queue },
  )
  const ground: ReleaseGround = {
    ...{ store, orchestrator, client, task, queue, endpoints, engine },
    ...releasing({ store, orchestrator, endpoints, task }),
    startWorker: worker.start,
    stopWorker: worker.stop,
    async end() {
      await terminate(client, releaseWorkflowId(task))
      await worker.stop()
      await orchestrator.close()
      await client.connection.close()
      await native.close()
      await engine.stop()
      await drop()
    },
  }
  await ground.startWorker()
  return ground
}

type Releasing = Pick<ReleaseGround, 'policy' | 'request' | 'start' | 'ended' | 'reaches' | 'settleFirst'>

/** What a release manager does in a test. */
function releasing(api: { store: Store; orchestrator: Orchestrator; endpoints: Endpoints; task: string }): Releasing {
  const { store, task } = api
  const request = (prompt: string, policyRef = 'quick@1.0.0'): ReleaseRequest => ({
    task,
    change: { prompt: `csat@${prompt}` },
    why: `try prompt ${prompt}`,
    policy: policyRef,
  })
  const reaches: Releasing['reaches'] = async (releaseId, what) => {
    const reached = async () => what(await store.releases.get(releaseId))
    await until(`the release ${releaseId} gets there`, reached)
    return store.releases.get(releaseId)
  }
  const start: Releasing['start'] = (order, author = 'ann') => startRelease(api, order, author)
  const ended: Releasing['ended'] = (releaseId) => reaches(releaseId, (record) => record.endedAt !== undefined)
  return {
    policy: (name, change) => policy(store, name, change),
    request,
    start,
    ended,
    reaches,
    async settleFirst() {
      const first = await policy(store, 'first', { pilot: undefined as never, steps: [] })
      const record = await start({ ...request('1.0.0'), policy: first })
      const done = await ended(record.id)
      if (done.phase !== 'done') throw new Error(`the first release is ${done.phase}: ${done.reason}`)
    },
  }
}

function testWorker(deps: WorkerDeps, place: Omit<WorkerPlace, 'workflows'>) {
  let running: { workers: readonly Worker[]; done: Promise<unknown> } | undefined
  return {
    async start() {
      const workers = await createWorkers(deps, { ...place, workflows: workflowSource() })
      running = { workers, done: Promise.all(workers.map((worker) => worker.run())) }
    },
    async stop() {
      for (const worker of running?.workers ?? []) worker.shutdown()
      await running?.done
      running = undefined
    },
  }
}

export const registerQuickPolicy = (store: Store): Promise<string> => policy(store, 'quick', {})

async function policy(store: Store, name: string, change: Partial<Policy>): Promise<string> {
  const merged = Object.entries({ ...quickPolicy, ...change }).filter(([, value]) => value !== undefined)
  const content = Object.fromEntries(merged)
  await store.catalog.register({
    kind: 'policy',
    name,
    semver: '1.0.0',
    content,
    author: 'ann',
    description: 'for a test',
  })
  return `${name}@1.0.0`
}

async function putTask(store: Store, name: string): Promise<void> {
  const roles = { prompt: 'prompt/csat@1.0.0', engine: 'engine/simulated@1.0.0', schema: 'schema/csat-report@1.0.0' }
  await store.catalog.putTask({ name, roles, suite: 'suite/airline@1.0.0', policy: 'policy/quick@1.0.0' }, 'ann')
}

async function terminate(client: Client, workflowId: string): Promise<void> {
  try {
    await client.workflow.getHandle(workflowId).terminate('the test ended')
  } catch (error) {
    // A workflow that ended by itself is what most tests leave behind.
    if ((error as Error).name !== 'WorkflowNotFoundError') throw error
  }
}
