import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Client, Connection } from '@temporalio/client'
import { historyToJSON } from '@temporalio/common/lib/proto-utils'
import { NativeConnection } from '@temporalio/worker'
import { version } from '../package.json'
import { garbagePaths, runGarbage } from './scripted/scripted-garbage'
import { scriptedPaths } from './scripted/scripted-paths'
import { rescorePaths, runRescore } from './scripted/scripted-rescore'
import { identity, runScripted } from './scripted/scripted-worker'

const folder = join(process.cwd(), 'test/replay/histories')

/** Records every path of the workflows, or of those named, against the Temporal of TEMPORAL_ADDRESS, into files named by this version. */
async function main(): Promise<void> {
  const address = process.env.TEMPORAL_ADDRESS
  if (!address) throw new Error('TEMPORAL_ADDRESS is not set: name a running Temporal, such as that of `npm start`.')
  const client = new Client({ connection: await Connection.connect({ address }), identity })
  const connection = await NativeConnection.connect({ address })
  await mkdir(folder, { recursive: true })
  const asked = process.argv.slice(2)
  const isAsked = (workflow: string) => asked.length === 0 || asked.includes(workflow)
  for (const path of isAsked('release') ? scriptedPaths : []) {
    const run = await runScripted(client, connection, path)
    const history = await client.workflow.getHandle(run.workflowId).fetchHistory()
    const file = `release-${path.name}-${version}.json`
    await writeFile(join(folder, file), `${JSON.stringify(JSON.parse(historyToJSON(history)))}\n`)
    process.stdout.write(`${file}: ${run.outcome}, ${history.events?.length} events\n`)
  }
  for (const path of isAsked('rescore') ? rescorePaths : []) {
    const { workflowId, runId, status } = await runRescore(client, connection, path)
    const history = await client.workflow.getHandle(workflowId, runId).fetchHistory()
    const file = `rescore-${path.name}-${version}.json`
    await writeFile(join(folder, file), `${JSON.stringify(JSON.parse(historyToJSON(history)))}\n`)
    const end = status === 'cancelled' ? status : status.state
    process.stdout.write(`${file}: ${end}, ${history.events?.length} events\n`)
  }
  for (const path of isAsked('collectGarbage') ? garbagePaths : []) {
    const { workflowId, status } = await runGarbage(client, connection, path)
    const history = await client.workflow.getHandle(workflowId).fetchHistory()
    const file = `collectGarbage-${path.name}-${version}.json`
    await writeFile(join(folder, file), `${JSON.stringify(JSON.parse(historyToJSON(history)))}\n`)
    process.stdout.write(`${file}: ${status === 'closed' ? status : status.kind}, ${history.events?.length} events\n`)
  }
  await connection.close()
  await client.connection.close()
}

main().catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`)
  process.exitCode = 1
})
