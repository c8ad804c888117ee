import { Client, Connection } from '@temporalio/client'
import { NativeConnection } from '@temporalio/worker'
import { scriptedPaths } from '../../tools/scripted/scripted-paths'
import { runScripted } from '../../tools/scripted/scripted-worker'
import { groundAddress } from '../support/ground'

describe('a deadline that passes while nobody could look', () => {
  let connection: NativeConnection
  let client: Client
  beforeAll(async () => {
    const address = groundAddress('TEMPORAL_ADDRESS')
    connection = await NativeConnection.connect({ address })
    client = new Client({ connection: await Connection.connect({ address }) })
  })
  afterAll(async () => {
    await client.connection.close()
    await connection.close()
  })

  test.each([
    ['goes on where the last look finds the evidence', 'late-evidence', 'done'],
    ['acts where the last look finds none', 'overdue', 'rolled_back'],
  ])('%s', async (_, name, ends) => {
    const path = scriptedPaths.find((one) => one.name === name)
    if (path === undefined) throw new Error(`no path ${name}`)
    expect((await runScripted(client, connection, path)).outcome).toBe(ends)
  })
})
