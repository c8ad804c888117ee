import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { NativeConnection } from '@temporalio/worker'
import { createReleaseActivities } from '../../activities/release'
import { createRescoreActivities } from '../../activities/rescore'
import { openStore } from '../../src/store/store'
import { connectTemporal } from '../../src/temporal'
import { createWorkers } from '../../src/worker'
import type { ReleaseActivities } from '../../workflows/messages'

/** What the fault tests tell a worker process; one JSON argument. */
export interface CrashOrder {
  readonly mongodbUri: string
  readonly database: string
  readonly temporalAddress: string
  readonly queue: string
  readonly engineUrl: string
  readonly notesFolder: string
  /** Path of the workflow bundle. */
  readonly bundle: string
  /** Boundaries that were passed are written here, a line each, over all processes of one release. */
  readonly boundaryFile: string
  /** Dies by SIGKILL the first time that it comes to this boundary; absent: never. */
  readonly crashAt?: string
}

function boundaries(order: CrashOrder): (name: string) => void {
  return (name) => {
    const passed = existsSync(order.boundaryFile) ? readFileSync(order.boundaryFile, 'utf8').split('\n') : []
    appendFileSync(order.boundaryFile, `${name}\n`)
    if (name === order.crashAt && !passed.includes(name)) process.kill(process.pid, 'SIGKILL')
  }
}

const stepOf = (request: unknown): string => (request as { step?: { name: string } }).step?.name ?? 'settle'

/** Every activity, with a boundary before and after it. */
function crashing(activities: ReleaseActivities, pass: (name: string) => void): ReleaseActivities {
  const wrapped = Object.entries(activities).map(([name, activity]) => {
    const run = async (request: unknown): Promise<unknown> => {
      const what = name === 'advanceRelease' ? `${name} ${stepOf(request)}` : name
      pass(`before ${what}`)
      const answer = await (activity as (request: unknown) => Promise<unknown>)(request)
      pass(`after ${what}`)
      return answer
    }
    return [name, run]
  })
  return Object.fromEntries(wrapped) as ReleaseActivities
}

async function main(): Promise<void> {
  const order = JSON.parse(process.argv[2] ?? '') as CrashOrder
  const store = await openStore(order.mongodbUri, order.database)
  const orchestrator = await connectTemporal(order.temporalAddress, 'default', order.queue)
  const connection = await NativeConnection.connect({ address: order.temporalAddress })
  const deps = { store, endpoints: { simulated: { url: order.engineUrl } }, notesFolder: order.notesFolder }
  const release = crashing(createReleaseActivities(deps), boundaries(order))
  const rescore = createRescoreActivities(deps)
  const place = {
    connection,
    namespace: 'default',
    queue: order.queue,
    workflows: { workflowBundle: { codePath: order.bundle } },
  }
  const workers = await createWorkers({ store, orchestrator, release, rescore, endpoints: deps.endpoints }, place)
  process.stdout.write('ready\n')
  await Promise.all(workers.map((worker) => worker.run()))
}

void main()
