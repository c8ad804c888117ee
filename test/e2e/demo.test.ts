import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Connection } from '@temporalio/client'
import { MongoClient } from 'mongodb'
import { childEnvironment } from '../../src/config'
import { projectRoot } from '../../src/embedded/files'
import { beginningOf } from '../../src/embedded/process-identity'
import { groundAddress } from '../support/ground'

describe('the demo', () => {
  let folder: string
  let demo: ChildProcess
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-demo-'))
  })
  afterEach(() => {
    demo.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })

  function start(): void {
    demo = spawn(process.execPath, [join(projectRoot(), 'dist/tools/demo/main.js')], {
      cwd: projectRoot(),
      env: childEnvironment({ SLUICE_FOLDER: folder }),
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  }

  async function until(words: string): Promise<void> {
    if (demo.stdout === null) throw new Error('the demo has no output')
    const seen: string[] = []
    for await (const line of createInterface({ input: demo.stdout })) {
      seen.push(line)
      if (line.includes(words)) return
    }
    throw new Error(`the demo never said "${words}":\n${seen.join('\n')}`)
  }

  /** Pids of the servers it started, as they are recorded for the next run. */
  function processes(): readonly number[] {
    const pids = join(folder, 'demo', 'pids')
    return readdirSync(pids).map((file) => (JSON.parse(readFileSync(join(pids, file), 'utf8')) as { pid: number }).pid)
  }

  it('is stopped by a Ctrl-C while customers talk, and leaves nothing behind', async () => {
    const before = await traces()
    start()
    await until('applications begin to score')
    const [pids, during] = [processes(), await traces()]
    const own = during.filter((name) => !before.includes(name))
    expect([pids.length, own.length]).toEqual([3, 2])
    const ended = new Promise((resolve) => demo.once('exit', resolve))
    demo.kill('SIGINT')
    expect(await ended).toBe(130)
    expect(pids.map(beginningOf)).toEqual([undefined, undefined, undefined])
    expect(existsSync(join(folder, 'run.json'))).toBe(false)
    const after = await traces()
    expect(own.filter((name) => after.includes(name))).toEqual([])
  })
})

const maxNamespaces = 1_000

/** What runs of the demo have in servers that are not their own: databases and namespaces. */
async function traces(): Promise<readonly string[]> {
  const client = await MongoClient.connect(groundAddress('MONGODB_URI'))
  const connection = await Connection.connect({ address: groundAddress('TEMPORAL_ADDRESS') })
  try {
    const { databases } = await client.db().admin().listDatabases({ nameOnly: true })
    const { namespaces } = await connection.workflowService.listNamespaces({ pageSize: maxNamespaces })
    const names = [...databases.map(({ name }) => name), ...namespaces.map((one) => one.namespaceInfo?.name ?? '')]
    return names.filter((name) => /^(demo_|sluice-demo-)/.test(name))
  } finally {
    await connection.close()
    await client.close()
  }
}
