import { createSecretKey, randomBytes, randomUUID } from 'node:crypto'
import { Client, Connection } from '@temporalio/client'
import type { Digest } from '../../../src/domain/version'
import { type Database, openDatabase } from '../../../src/store/database'
import { type Store, type StoreOptions, storeOn } from '../../../src/store/store'
import { connectTemporal, type Orchestrator } from '../../../src/temporal'
import { garbageWorkflowId, releaseWorkflowId, rescoreWorkflowId } from '../../../workflows/workflow-ids'
import { engineContent, registration } from '../contents'
import { groundAddress } from '../ground'
import { type LaneGround, laneGround, production, type TestLane } from '../lane-ground'
import { scored } from '../scores'
import { type DatabaseImage, imageOf, restore } from './database-image'

export const seededRequest = '01JDREQUEST00000000000000A'

/** One small product with something of everything, on a connection whose commands are seen. */
export interface CutGround {
  readonly lanes: LaneGround
  /** Three of them settled in production, one after the other; nothing holds it. */
  readonly lane: TestLane
  readonly task: string
  /** Tested against each other. */
  readonly versions: readonly [Digest, Digest, Digest, Digest]
  readonly database: Database
  readonly options: StoreOptions
  readonly orchestrator: Orchestrator
  /** A store on the same database that nothing cuts. */
  readonly store: Store
  /** Of an administrator. */
  readonly key: string
  /** What every case begins with. */
  readonly base: DatabaseImage
  /** Ends the workflows that a case started. */
  forgetWorkflows(): Promise<void>
  end(): Promise<void>
}

export async function cutGround(): Promise<CutGround> {
  const lanes = await laneGround()
  const name = lanes.store.database.db.databaseName
  const address = groundAddress('MONGODB_URI')
  const database = await openDatabase(`${address}${address.includes('?') ? '&' : '/?'}monitorCommands=true`, name)
  const options = { captureKeys: [createSecretKey(randomBytes(32))] }
  const store = storeOn(database, options)
  const lane = await lanes.lane()
  const versions = (await lanes.tested(4)) as unknown as CutGround['versions']
  for (const version of versions.slice(0, 3)) await lane.settle(version)
  await seed(store, lanes)
  const key = await store.keys.create('ann', 'admin')
  const temporal = groundAddress('TEMPORAL_ADDRESS')
  // Nobody works on this queue: what is started stands still.
  const orchestrator = await connectTemporal(temporal, 'default', `cuts-${randomUUID()}`)
  const client = new Client({ connection: await Connection.connect({ address: temporal }) })
  return {
    ...{ lanes, lane, versions, database, options, orchestrator, store, key },
    task: lane.task,
    base: await imageOf(database),
    forgetWorkflows: () => forgetWorkflows(client, store, lane.task),
    async end() {
      await orchestrator.close()
      await client.connection.close()
      await database.close()
      await lanes.end()
    },
  }
}

async function seed(store: Store, { policy }: LaneGround): Promise<void> {
  const { catalog } = store
  await catalog.register(registration('prompt/exp@1.0.0-exp.1', { text: 'Experiment: {{transcript}}' }))
  await catalog.register(registration('engine/large@1.0.0', { ...engineContent, model: 'large-1' }))
  await catalog.register(registration('filter/calls@1.0.0', { accept: { attribute: 'channel', eq: 'call' } }))
  const { id } = await catalog.commitComposite({ prompt: 'exp@1.0.0-exp.1', engine: 'small@1.0.0' })
  const suite = (await catalog.version('suite/mood@1.0.0')).digest
  await scored(store, { candidate: id, suite, policy }, ['pass', 0.8])
}

async function forgetWorkflows(client: Client, store: Store, task: string): Promise<void> {
  const rescores = (await store.rescores.list({})).map(({ id }) => rescoreWorkflowId(id))
  const garbage = (await store.garbage.runs({})).map(({ id }) => garbageWorkflowId(id))
  for (const workflowId of [releaseWorkflowId(task), ...rescores, ...garbage]) {
    try {
      await client.workflow.getHandle(workflowId).terminate('the case ended')
    } catch (error) {
      if ((error as Error).name !== 'WorkflowNotFoundError') throw error
    }
  }
}

/** Brings the database back to what every case begins with. */
export const startAgain = (ground: CutGround): Promise<void> => restore(ground.database, ground.base)

/** Lets the leases of a dead process run out. */
export async function expireLeases({ db }: Database): Promise<void> {
  const past = new Date(0)
  await db.collection('idempotency').updateMany({ answer: { $exists: false } }, { $set: { leaseUntil: past } })
}

export { production }
