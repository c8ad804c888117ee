import { deepStrictEqual } from 'node:assert'
import { randomUUID } from 'node:crypto'
import { Client, Connection } from '@temporalio/client'
import { NativeConnection, Worker } from '@temporalio/worker'
import { scriptedActivities } from '../tools/scripted/scripted-release'
import type { ReleaseInput } from '../workflows/messages'
import { watchQueueOf } from '../workflows/task-queues'
import type { BareActivities, BareInput, Shape } from './bare-release'
import { type Finding, inTurns, median, ratioText, rounded } from './measure'

const concurrency = 10
const releasesPerRound = 20
const rounds = 5
const script = { steps: 4, bakeMs: 20 }

/** Runs one workflow to its end; gives its id. */
type Run = () => Promise<string>

/**
 * Releases per minute: the real workflow with activities that do nothing, against a bare workflow with as many
 * activities and timers, on one worker and one server. What is left of the difference is what a release does itself.
 */
export async function benchReleases(address: string, namespace: string): Promise<Finding[]> {
  const client = new Client({ connection: await Connection.connect({ address }), namespace })
  const connection = await NativeConnection.connect({ address })
  const queue = `bench-${randomUUID()}`
  const { calls: _calls, ...activities } = scriptedActivities(script)
  const bare: BareActivities = { work: async () => undefined }
  const common = { connection, namespace }
  const workflowsPath = require.resolve('./bare-release')
  const main = await Worker.create({
    ...common,
    taskQueue: queue,
    workflowsPath,
    activities: { ...activities, ...bare },
  })
  const { watchRelease } = activities
  const watch = await Worker.create({ ...common, taskQueue: watchQueueOf(queue), activities: { watchRelease } })
  try {
    return await main.runUntil(watch.runUntil(race(client, queue)))
  } finally {
    await connection.close()
    await client.connection.close()
  }
}

async function race(client: Client, queue: string): Promise<Finding[]> {
  const run = async (type: string, input: unknown): Promise<string> => {
    const workflowId = `bench/${type}-${randomUUID()}`
    await client.workflow.execute(type, { args: [input], taskQueue: queue, workflowId })
    return workflowId
  }
  const input: ReleaseInput = {
    request: { task: 'bench', change: { prompt: 'csat@2.0.0' }, why: 'a benchmark' },
    author: 'ann',
    releaseId: 'R1',
  }
  const release = () => run('release', input)
  const real = await shapeOf(client, await release())
  const bareInput: BareInput = { ...real.shape, bakeMs: script.bakeMs }
  const bare = () => run('bareRelease', bareInput)
  const copy = await shapeOf(client, await bare())
  deepStrictEqual(copy.shape, real.shape)
  const { ours, floors } = await inTurns({
    rounds,
    warmUp: 1,
    sides: { ours: () => perMinute(release), floors: () => perMinute(bare) },
  })
  const { activities, deadlines, bakes } = real.shape
  const row = {
    workflow: `${activities} activities, ${deadlines + bakes} timers, ${concurrency} at a time`,
    'releases a minute': rounded(median(ours)),
    'bare a minute': rounded(median(floors)),
    'releases ÷ bare': ratioText(ours, floors),
    'events of a release': real.events,
    'events of the bare one': copy.events,
  }
  return [
    { benchmark: 'releases', about: 'the workflow `release` ÷ a bare workflow, same worker, same server', rows: [row] },
  ]
}

async function perMinute(run: Run): Promise<number> {
  const from = performance.now()
  let left = releasesPerRound
  const lane = async () => {
    while (left-- > 0) await run()
  }
  await Promise.all(Array.from({ length: concurrency }, lane))
  return (releasesPerRound / (performance.now() - from)) * 60_000
}

async function shapeOf(client: Client, workflowId: string): Promise<{ shape: Shape; events: number }> {
  const { events } = await client.workflow.getHandle(workflowId).fetchHistory()
  const all = events ?? []
  const shape = {
    activities: all.filter((event) => event.activityTaskScheduledEventAttributes).length,
    deadlines: all.filter((event) => event.timerCanceledEventAttributes).length,
    bakes: all.filter((event) => event.timerFiredEventAttributes).length,
  }
  return { shape, events: all.length }
}
