import { Client, Connection } from '@temporalio/client'
import { temporal } from '@temporalio/proto'
import { DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker'
import { searchAttributeNames } from '../../src/embedded/temporal-client'
import type { ScriptedPath } from '../../tools/scripted/scripted-paths'
import { runScripted } from '../../tools/scripted/scripted-worker'
import { groundAddress } from '../support/ground'
import { skippingServer } from '../support/skipping-server'

Runtime.install({ logger: new DefaultLogger('ERROR') })

const { INDEXED_VALUE_TYPE_KEYWORD } = temporal.api.enums.v1.IndexedValueType
const keywords = Object.fromEntries(searchAttributeNames.map((name) => [name, INDEXED_VALUE_TYPE_KEYWORD]))
const daysMs = 24 * 3_600_000
const path = (bakeMs: number): ScriptedPath => ({ name: 'calendar', script: { steps: 7, bakeMs }, ends: 'done' })

/** WORKFLOW_TASK_SCHEDULED, _STARTED and _COMPLETED: how the server batches what happens at the same moment. */
const taskEvents = new Set([5, 6, 7])
/** The end of the safety clock may or may not share a task with another end. */
const eventsOfOneTask = 3

type Events = readonly { readonly eventType?: number | null }[] | null | undefined

/** Every event that the workflow causes, by type. */
const caused = (events: Events): number[] =>
  (events ?? [])
    .map((event) => event.eventType ?? 0)
    .filter((type) => !taskEvents.has(type))
    .sort((a, b) => a - b)

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

    const skipping = await skippingServer()
    try {
      await skipping.client.connection.operatorService.addSearchAttributes({
        namespace: 'default',
        searchAttributes: keywords,
      })
      const week = await runScripted(skipping.client, skipping.native, path((7 * daysMs) / 6))
      const skipped = await skipping.client.workflow.getHandle(week.workflowId).fetchHistory()
      expect([quick.outcome, week.outcome]).toEqual(['done', 'done'])
      expect(week.activities.calls).toEqual(quick.activities.calls)
      expect(caused(skipped.events)).toEqual(caused(real.events))
      const difference = Math.abs((skipped.events?.length ?? 0) - (real.events?.length ?? 0))
      expect(difference).toBeLessThanOrEqual(eventsOfOneTask)
      expect(real.events?.length).toBeLessThan(200)
      const [first, last] = [skipped.events?.at(0)?.eventTime, skipped.events?.at(-1)?.eventTime]
      expect(Number(last?.seconds) - Number(first?.seconds)).toBeGreaterThanOrEqual((7 * daysMs) / 1_000)
    } finally {
      await skipping.stop()
    }
  })
})
