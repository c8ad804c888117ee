import { Client, Connection } from '@temporalio/client'
import { NativeConnection } from '@temporalio/worker'
import { scriptedPaths } from '../../tools/scripted/scripted-paths'
import { runScripted } from '../../tools/scripted/scripted-worker'
import { groundAddress } from '../support/ground'

test('a release that somebody took back while it came to its end goes back and takes back what it told', async () => {
  const address = groundAddress('TEMPORAL_ADDRESS')
  const native = await NativeConnection.connect({ address })
  const client = new Client({ connection: await Connection.connect({ address }) })
  const path = scriptedPaths.find(({ name }) => name === 'taken-back-while-it-closed')
  if (path === undefined) throw new Error('there is no such path')
  const { outcome, activities } = await runScripted(client, native, path)
  expect(outcome).toBe('rolled_back')
  expect(activities.calls.slice(-5)).toEqual(['communicate', 'close done', 'withdraw', 'retract', 'close rolled_back'])
  await client.connection.close()
  await native.close()
})
