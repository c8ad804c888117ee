import { Client, Connection } from '@temporalio/client'
import { TestWorkflowEnvironment } from '@temporalio/testing'
import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker'
import { readConfig } from '../../src/config'
import { provisionTestServer } from '../../src/embedded/test-server'
import { groundAddress } from '../support/ground'
import type { ScriptedPath } from '../support/scripted-paths'
import { runScripted } from '../support/scripted-worker'

Runtime.install({ logger: new DefaultLogger('ERROR') })

const daysMs = 24 * 3_600_000
const path = (bakeMs: number): ScriptedPath => ({ name: 'calendar', script: { steps: 7, bakeMs }, ends: 'done' })

/** Event types without the order of those that race within one task. */
const shape = (events: readonly { eventType?: unknown }[] | null | undefined): string[] =>
  (events ?? []).map((event) => String(event.eventType)).sort()

describe('the history of a release does not depend on time', () => {
  test('six steps of 200 ms on the real server and of more than a day each under skipped time are as long, under 200', async () => {
    const address = groundAddress('TEMPORAL_ADDRESS')
    const connection = await Connection.connect({ address })
    const native = await NativeConnection.connect({ address })
    const client = new Client({ connection })
    const quick = await runScripted(client, native, path(200))
    const real = await client.workflow.getHandle(quick.workflowId).fetchHistory()
    await connection.close()
    await native.close()

    const program = await provisionTestServer(readConfig(), () => undefined)
    const skipping = await TestWorkflowEnvironment.createTimeSkipping({
      server: { executable: { type: 'existing-path', path: program } },
    })
    try {
      const week = await runScripted(skipping.client, skipping.nativeConnection, path((7 * daysMs) / 6))
      const skipped = await skipping.client.workflow.getHandle(week.workflowId).fetchHistory()
      expect([quick.outcome, week.outcome]).toEqual(['done', 'done'])
      expect(week.activities.calls).toEqual(quick.activities.calls)
      expect(shape(skipped.events)).toEqual(shape(real.events))
      expect(real.events?.length).toBeLessThan(200)
      const [first, last] = [skipped.events?.at(0)?.eventTime, skipped.events?.at(-1)?.eventTime]
      expect(Number(last?.seconds) - Number(first?.seconds)).toBeGreaterThanOrEqual((7 * daysMs) / 1_000)
    } finally {
      await skipping.teardown()
    }
  })
})
