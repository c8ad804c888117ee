import { randomUUID } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, Connection } from '@temporalio/client'
import { DefaultLogger, NativeConnection, Runtime, type Worker } from '@temporalio/worker'
import { createReleaseActivities } from '../../activities/release'
import { startSimulatedEngine } from '../../examples/engine/server'
import { startRelease } from '../../src/api/release-commands'
import type { ReleaseRequest } from '../../src/domain/plan'
import type { Policy } from '../../src/domain/policy'
import type { ReleasePhase } from '../../src/domain/release'
import type { Endpoints } from '../../src/engines/engine'
import type { ReleaseRecord } from '../../src/store/releases'
import type { Store } from '../../src/store/store'
import { connectTemporal, type Orchestrator, releaseWorkflowId } from '../../src/temporal'
import { createWorkers } from '../../src/worker'
import { registerAirline } from './airline'
import { groundAddress, testStore } from './ground'

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
  const connection = await Connection.connect({ address })
  const client = new Client({ connection })
  const native = await NativeConnection.connect({ address })
  const notesFolder = await mkdtemp(join(tmpdir(), 'sluice-notes-'))
  const release = createReleaseActivities({ store, endpoints, notesFolder })
  await registerAirline(store.catalog, { cases: options.cases ?? 8 })
  await registerQuickPolicy(store)
  await putTask(store, task)
  let running: { workers: readonly Worker[]; done: Promise<unknown> } | undefined
  const api = { store, orchestrator, endpoints }

  const ground: ReleaseGround = {
    store,
    orchestrator,
    client,
    task,
    queue,
    endpoints,
    policy: (name, change) => policy(store, name, change),
    request: (prompt, policyRef = 'quick@1.0.0') => ({
      task,
      change: { prompt: `csat@${prompt}` },
      why: `try prompt ${prompt}`,
      policy: policyRef,
    }),
    start: (request, author = 'ann') => startRelease(api, request, author),
    ended: (releaseId) => ground.reaches(releaseId, (record) => record.endedAt !== undefined),
    async reaches(releaseId, what) {
      for (let attempt = 0; attempt < 600; attempt++) {
        const record = await store.releases.get(releaseId)
        if (what(record)) return record
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      throw new Error(`the release did not get there: ${JSON.stringify(await store.releases.get(releaseId))}`)
    },
    async settleFirst() {
      const record = await ground.start({
        ...ground.request('1.0.0'),
        policy: await policy(store, 'first', { pilot: undefined as never, steps: [] }),
      })
      const done = await ground.ended(record.id)
      if (done.phase !== 'done') throw new Error(`the first release is ${done.phase}: ${done.reason}`)
    },
    async startWorker() {
      const bundle = process.env.SLUICE_WORKFLOW_BUNDLE
      const workflows = bundle
        ? { workflowBundle: { codePath: bundle } }
        : { workflowsPath: require.resolve('../../workflows') }
      const workers = await createWorkers(
        { store, orchestrator, release, tickMs: 200 },
        { connection: native, namespace: 'default', queue, workflows },
      )
      running = { workers, done: Promise.all(workers.map((worker) => worker.run())) }
    },
    async stopWorker() {
      for (const worker of running?.workers ?? []) worker.shutdown()
      await running?.done
      running = undefined
    },
    async end() {
      await terminate(client, releaseWorkflowId(task))
      await ground.stopWorker()
      await orchestrator.close()
      await connection.close()
      await native.close()
      await engine.stop()
      await drop()
    },
  }
  await ground.startWorker()
  return ground
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

export const phaseOf = (record: ReleaseRecord): ReleasePhase => record.phase
