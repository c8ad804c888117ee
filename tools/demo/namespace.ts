import { setTimeout as pause } from 'node:timers/promises'
import { Connection } from '@temporalio/client'
import { SluiceError } from '../../src/errors'

const connectMs = 5_000
const daySeconds = 86_400
const visiblePolls = 100
const pollMs = 100

/** Makes a namespace in a Temporal that is not the demo's own, and waits until it can be used. */
export async function makeNamespace(address: string, namespace: string): Promise<void> {
  await connected(address, async ({ workflowService }) => {
    await workflowService.registerNamespace({
      namespace,
      description: 'A run of the Sluice demo.',
      workflowExecutionRetentionPeriod: { seconds: daySeconds as never },
    })
    for (let poll = 0; poll < visiblePolls; poll++) {
      try {
        await workflowService.describeNamespace({ namespace })
        await workflowService.listOpenWorkflowExecutions({ namespace, maximumPageSize: 1 })
        return
      } catch {
        // Its caches have not heard of the namespace yet.
        await pause(pollMs)
      }
    }
    throw new SluiceError(
      'temporal_unavailable',
      `Temporal at ${address} does not show its new namespace ${namespace}.`,
    )
  })
}

/** Deletes it with everything that ran in it. */
export async function removeNamespace(address: string, namespace: string): Promise<void> {
  await connected(address, ({ operatorService }) => operatorService.deleteNamespace({ namespace }))
}

async function connected<T>(address: string, work: (connection: Connection) => Promise<T>): Promise<T> {
  let connection: Connection
  try {
    connection = await Connection.connect({ address, connectTimeout: connectMs })
  } catch (error) {
    const text = `The Temporal at ${address} (TEMPORAL_ADDRESS) does not answer: ${(error as Error).message}`
    throw new SluiceError('temporal_unavailable', text)
  }
  try {
    return await work(connection)
  } finally {
    await connection.close()
  }
}
