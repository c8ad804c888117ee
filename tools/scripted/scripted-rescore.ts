import { randomUUID } from 'node:crypto'
import type { Client } from '@temporalio/client'
import { type NativeConnection, Worker } from '@temporalio/worker'
import type { RescoreState, RescoreStatus } from '../../src/domain/rescore'
import type { RescoreActivities } from '../../workflows/rescore-messages'
import { bulkQueueOf } from '../../workflows/task-queues'
import { identity, untilCancelled, workflowSource } from './scripted-worker'

/** One way a rescore can go, with a recorded history that must replay. */
export interface RescorePath {
  readonly name: string
  readonly composites: number
  /** Index of a composite that cannot be scored. */
  readonly fails?: number
  /** Index of a composite at which the workflow is cancelled. */
  readonly cancelledAt?: number
  readonly ends: Exclude<RescoreState, 'running'>
}

export const rescorePaths: readonly RescorePath[] = [
  { name: 'done', composites: 3, ends: 'done' },
  { name: 'failed', composites: 3, fails: 1, ends: 'failed' },
  { name: 'cancelled', composites: 3, cancelledAt: 1, ends: 'cancelled' },
  { name: 'continued', composites: 101, ends: 'done' },
]

export interface ScriptedRescore {
  readonly workflowId: string
  /** The run that was started; a continued one has others after it. */
  readonly runId: string
  readonly status: RescoreStatus | 'cancelled'
  /** Indexes that were scored, in order of asking. */
  readonly scored: readonly number[]
  readonly closed: readonly string[]
}

/** Runs the real workflow with scripted activities. */
export async function runRescore(
  client: Client,
  connection: NativeConnection,
  path: RescorePath,
): Promise<ScriptedRescore> {
  const queue = `scripted-${randomUUID()}`
  const workflowId = `rescore/${path.name}-${randomUUID()}`
  const scored: number[] = []
  const closed: string[] = []
  const cancel = () => client.workflow.getHandle(workflowId).cancel()
  const activities: RescoreActivities = {
    planRescore: async () => ({ rescoreId: 'S1', of: path.composites }),
    async rescoreItem({ index }) {
      scored.push(index)
      if (index === path.cancelledAt) await untilCancelled(cancel)
      const composite = `sha256:${index}`
      if (index !== path.fails) return { composite, outcome: { kind: 'scored', verdict: 'pass' } }
      return { composite, outcome: { kind: 'failed', code: 'invalid_content', message: 'it has no prompt' } }
    },
    async closeRescore({ state }) {
      closed.push(state)
    },
  }
  const common = { connection, identity }
  const main = await Worker.create({ ...common, taskQueue: queue, ...workflowSource() })
  const bulk = await Worker.create({ ...common, taskQueue: bulkQueueOf(queue), activities: { ...activities } })
  const work = async (): Promise<ScriptedRescore> => {
    const input = { task: 'scripted', suite: 'suite/calls@1.1.0', by: 'ann' }
    const handle = await client.workflow.start('rescore', { args: [input], taskQueue: queue, workflowId })
    const status = await endOf(handle.result() as Promise<RescoreStatus>)
    return { workflowId, runId: handle.firstExecutionRunId, status, scored, closed }
  }
  return main.runUntil(bulk.runUntil(work()))
}

async function endOf(result: Promise<RescoreStatus>): Promise<RescoreStatus | 'cancelled'> {
  try {
    return await result
  } catch (error) {
    if ((error as Error).name === 'WorkflowFailedError') return 'cancelled'
    throw error
  }
}
