import { randomUUID } from 'node:crypto'
import { CancelledFailure, Context } from '@temporalio/activity'
import type { Client } from '@temporalio/client'
import { type NativeConnection, Worker } from '@temporalio/worker'
import type { ReleaseInput, ReleaseOutcome } from '../../workflows/messages'
import { watchQueueOf } from '../../workflows/task-queues'
import type { ScriptedPath } from './scripted-paths'
import { type ScriptedActivities, scriptedActivities } from './scripted-release'

export const workflowSource = (): { workflowBundle: { codePath: string } } | { workflowsPath: string } => {
  const bundle = process.env.SLUICE_WORKFLOW_BUNDLE
  return bundle ? { workflowBundle: { codePath: bundle } } : { workflowsPath: require.resolve('../../workflows') }
}

/** Recorded histories name no machine. */
export const identity = 'scripted'

export interface ScriptedRun {
  readonly workflowId: string
  readonly outcome: ReleaseOutcome['phase'] | 'cancelled'
  readonly activities: ScriptedActivities
}

/** Runs the real workflow along a path with scripted activities. */
export async function runScripted(
  client: Client,
  connection: NativeConnection,
  path: ScriptedPath,
): Promise<ScriptedRun> {
  const queue = `scripted-${randomUUID()}`
  const activities = scriptedActivities(path.script)
  const { calls: _calls, ...registered } = activities
  const workers = await Promise.all([
    Worker.create({ connection, identity, taskQueue: queue, ...workflowSource(), activities: { ...registered } }),
    Worker.create({
      connection,
      identity,
      taskQueue: watchQueueOf(queue),
      activities: { watchRelease: activities.watchRelease },
    }),
  ])
  const input: ReleaseInput = {
    request: { task: 'scripted', change: { prompt: 'csat@2.0.0' }, why: 'a test' },
    author: 'ann',
    releaseId: 'R1',
  }
  const work = async (): Promise<ScriptedRun> => {
    const workflowId = `release/${path.name}-${randomUUID()}`
    const handle = await client.workflow.start('release', { args: [input], taskQueue: queue, workflowId })
    await path.people?.(handle)
    return { workflowId, activities, outcome: await outcomeOf(handle.result() as Promise<ReleaseOutcome>) }
  }
  const [main, watch] = workers as [Worker, Worker]
  return main.runUntil(watch.runUntil(work()))
}

async function outcomeOf(result: Promise<ReleaseOutcome>): Promise<ScriptedRun['outcome']> {
  try {
    return (await result).phase
  } catch (error) {
    if ((error as Error).name === 'WorkflowFailedError') return 'cancelled'
    throw error
  }
}

/** Within an activity: asks for the cancellation and ends with it. */
export async function untilCancelled(cancel: () => Promise<unknown>): Promise<void> {
  await cancel()
  const context = Context.current()
  const beat = setInterval(() => context.heartbeat(), 100)
  await context.cancelled.catch((error: unknown) => {
    if (!(error instanceof CancelledFailure)) throw error
  })
  clearInterval(beat)
  throw new CancelledFailure('cancelled')
}
