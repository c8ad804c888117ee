import { randomUUID } from 'node:crypto'
import type { Client } from '@temporalio/client'
import { type NativeConnection, Worker } from '@temporalio/worker'
import { defaultRetention, type GarbagePhase, type GarbageRun, nothingDropped } from '../../src/domain/retention'
import type { GarbageActivities, GarbageInput, GarbageStatus } from '../../workflows/garbage-messages'
import { bulkQueueOf } from '../../workflows/task-queues'
import { scriptedFailure } from './scripted-failure'
import { identity, untilCancelled, workflowSource } from './scripted-worker'

/** One way a run of retention can go, with a recorded history that must replay. */
export interface GarbagePath {
  readonly name: string
  readonly scheduled?: true
  /** Whether the policy lets the schedule drop. */
  readonly automatic?: true
  /** The part that cannot be done. */
  readonly fails?: GarbagePhase
  /** The part at which the workflow is cancelled. */
  readonly cancelledAt?: GarbagePhase
}

export const garbagePaths: readonly GarbagePath[] = [
  { name: 'done' },
  { name: 'scheduled', scheduled: true, automatic: true },
  { name: 'off', scheduled: true },
  { name: 'failed', fails: 'rows' },
  { name: 'cancelled', cancelledAt: 'outputs' },
]

export interface ScriptedGarbage {
  readonly workflowId: string
  readonly status: GarbageStatus | 'closed'
  /** Parts in order of asking. */
  readonly parts: readonly GarbagePhase[]
  /** How the run ended; absent where none was opened. */
  readonly run?: GarbageRun
}

/** Runs the real workflow with scripted activities. */
export async function runGarbage(
  client: Client,
  connection: NativeConnection,
  path: GarbagePath,
): Promise<ScriptedGarbage> {
  const queue = `scripted-${randomUUID()}`
  const workflowId = `collect-garbage/${path.name}-${randomUUID()}`
  const parts: GarbagePhase[] = []
  let run: GarbageRun | undefined
  const activities: GarbageActivities = {
    async openGarbageRun({ by, scheduled = false }) {
      if (scheduled && path.automatic !== true) return undefined
      run = { id: 'G1', by, state: 'running', policy: defaultRetention, startedAt: 0, totals: nothingDropped }
      return run
    },
    async collectGarbagePart({ phase }) {
      parts.push(phase)
      if (phase === path.cancelledAt) await untilCancelled(() => client.workflow.getHandle(workflowId).cancel())
      if (phase === path.fails) throw scriptedFailure('the rows are too many', 'payload_too_large')
      return { count: parts.length, bytes: 100 }
    },
    async closeGarbageRun({ state, failure }) {
      run = { ...(run as GarbageRun), state, ...(failure === undefined ? {} : { failure }) }
      return run
    },
  }
  const common = { connection, identity }
  const main = await Worker.create({ ...common, taskQueue: queue, ...workflowSource() })
  const bulk = await Worker.create({ ...common, taskQueue: bulkQueueOf(queue), activities: { ...activities } })
  const work = async (): Promise<ScriptedGarbage> => {
    const input: GarbageInput = { by: 'ann', ...(path.scheduled ? { scheduled: true } : {}) }
    const handle = await client.workflow.start('collectGarbage', { args: [input], taskQueue: queue, workflowId })
    const status = await endOf(handle.result() as Promise<GarbageStatus>)
    return { workflowId, status, parts, ...(run === undefined ? {} : { run }) }
  }
  return main.runUntil(bulk.runUntil(work()))
}

async function endOf(result: Promise<GarbageStatus>): Promise<GarbageStatus | 'closed'> {
  try {
    return await result
  } catch (error) {
    if ((error as Error).name === 'WorkflowFailedError') return 'closed'
    throw error
  }
}
