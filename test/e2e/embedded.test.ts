import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Client, Connection } from '@temporalio/client'
import { MongoClient } from 'mongodb'
import { childEnvironment, readConfig } from '../../src/config'
import { type Ground, startEmbedded } from '../../src/embedded/embedded'
import { beginningOf } from '../../src/embedded/process-identity'
import { searchAttributes } from '../../workflows/search-attributes'
import { groundAddress } from '../support/ground'

const program = join(__dirname, '..', '..', 'dist', 'test', 'support', 'hold-ground.js')

interface Held {
  readonly child: ChildProcess
  readonly mongodbUri: string
  readonly temporalAddress: string
  readonly pids: readonly number[]
}

/** Embedded servers, whatever servers this run of the tests was given. */
describe('embedded servers', () => {
  let folder: string
  const stops: (() => Promise<unknown>)[] = []
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-embedded-'))
  })
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const environment = () =>
    childEnvironment({ MONGODB_URI: undefined, TEMPORAL_ADDRESS: undefined, SLUICE_FOLDER: folder })

  const start = async (name = 'one'): Promise<Ground> => {
    const ground = await startEmbedded({ name, config: readConfig(environment()) })
    stops.push(ground.stop)
    return ground
  }

  /** The same in a process of its own. */
  const hold = async (name = 'one'): Promise<Held> => {
    const child = spawn(process.execPath, [program, name], { env: environment(), stdio: ['ignore', 'pipe', 'inherit'] })
    stops.push(async () => child.exitCode ?? child.signalCode ?? (child.kill('SIGTERM') && once(child, 'exit')))
    for await (const line of createInterface({ input: child.stdout })) return { child, ...JSON.parse(line) }
    throw new Error('the servers did not start')
  }

  const gone = async (pid: number): Promise<void> => {
    while (beginningOf(pid) !== undefined) await new Promise((resolve) => setImmediate(resolve))
  }

  const write = async (uri: string, value: number): Promise<void> => {
    const client = await MongoClient.connect(uri)
    try {
      const numbers = client.db('trial').collection('numbers')
      await client.withSession((session) => session.withTransaction(() => numbers.insertOne({ value }, { session })))
    } finally {
      await client.close()
    }
  }

  const read = async (uri: string): Promise<unknown[]> => {
    const client = await MongoClient.connect(uri)
    try {
      return await client.db('trial').collection('numbers').distinct('value')
    } finally {
      await client.close()
    }
  }

  it('are a replica set with transactions, and a Temporal with namespace, search attributes and UI', async () => {
    const ground = await start()
    await write(ground.mongodbUri, 1)
    expect(await read(ground.mongodbUri)).toEqual([1])
    const connection = await Connection.connect({ address: ground.temporalAddress })
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: 'default' })
    expect(Object.keys(customAttributes ?? {})).toEqual(
      expect.arrayContaining(Object.values(searchAttributes).map(({ name }) => name)),
    )
    await connection.close()
    expect((await fetch(ground.temporalUiUrl ?? '')).status).toBe(200)
  })

  it('are killed and started again one by one, on the same address and data', async () => {
    const ground = await start()
    await write(ground.mongodbUri, 1)
    await startWorkflow(ground, 'trial')
    await ground.mongo?.kill()
    await ground.temporal?.kill()
    expect([ground.mongo?.process.running(), ground.temporal?.process.running()]).toEqual([false, false])
    await ground.mongo?.restart()
    await ground.temporal?.restart()
    expect(await read(ground.mongodbUri)).toEqual([1])
    await expect(startWorkflow(ground, 'trial')).rejects.toThrow('already started')
  })

  it('keep data and addresses over a clean stop, are gone after it, and refuse data of another version', async () => {
    const first = await start()
    await write(first.mongodbUri, 1)
    const pids = [first.mongo, first.temporal].map((server) => server?.process.pid ?? 0)
    await first.stop()
    expect(pids.map(beginningOf)).toEqual([undefined, undefined])
    const versionFile = join(first.folder, 'mongo-version.json')
    const version = readFileSync(versionFile, 'utf8')
    writeFileSync(versionFile, JSON.stringify({ version: 'mongod 4.4.0' }))
    await expect(start()).rejects.toMatchObject({
      code: 'provision_failed',
      message: expect.stringMatching(/were written by mongod 4\.4\.0; .*Put mongod 4\.4\.0 on PATH, or remove/),
    })
    expect(existsSync(join(first.folder, 'lock'))).toBe(false)
    writeFileSync(versionFile, version)
    const second = await start()
    expect(second).toMatchObject({ mongodbUri: first.mongodbUri, temporalAddress: first.temporalAddress })
    expect(await read(second.mongodbUri)).toEqual([1])
  })

  it('take another port when theirs is taken, and leave a process alone that only has a pid of theirs', async () => {
    const first = await start()
    await write(first.mongodbUri, 1)
    const record = join(first.folder, 'pids', 'mongod.json')
    expect(JSON.parse(readFileSync(record, 'utf8'))).toMatchObject({ pid: first.mongo?.process.pid })
    await first.stop()
    const thief = createServer((socket) => socket.destroy()).listen(portOf(first.mongodbUri), '127.0.0.1')
    stops.push(() => new Promise((resolve) => thief.close(resolve)))
    await once(thief, 'listening')
    const bystander = spawn('sleep', ['600'])
    stops.push(async () => bystander.kill())
    const pid = bystander.pid ?? 0
    writeFileSync(record, JSON.stringify({ pid, beginning: beginningOf(pid), marker: `${first.folder}/mongo` }))
    const second = await start()
    expect(second.mongodbUri).not.toBe(first.mongodbUri)
    await write(second.mongodbUri, 2)
    expect(await read(second.mongodbUri)).toEqual([1, 2])
    expect(beginningOf(pid)).toBeDefined()
  })

  it('refuse a second process on their data, end when the first is killed, and start again on it', async () => {
    const held = await hold()
    await write(held.mongodbUri, 1)
    await expect(start()).rejects.toMatchObject({
      code: 'instance_running',
      message: expect.stringContaining(`Process ${held.child.pid} holds`),
    })
    held.child.kill('SIGKILL')
    await once(held.child, 'exit')
    const next = await start()
    expect(next.mongodbUri).toBe(held.mongodbUri)
    expect(await read(next.mongodbUri)).toEqual([1])
    for (const pid of held.pids) await gone(pid)
  })

  it('run side by side under other names', async () => {
    const [one, two] = await Promise.all([start('one'), start('two')])
    expect(one.mongodbUri).not.toBe(two.mongodbUri)
    await write(one.mongodbUri, 1)
    expect(await read(two.mongodbUri)).toEqual([])
  })
})

describe('external servers', () => {
  afterAll(() => rmSync(join(readConfig().folder, `external-${process.pid}`), { recursive: true, force: true }))

  const start = (changes: Readonly<Record<string, string>>): Promise<Ground> =>
    startEmbedded({ name: `external-${process.pid}`, config: readConfig(childEnvironment(changes)) })

  it.each([
    [{ MONGODB_URI: 'mongodb://127.0.0.1:1/?directConnection=true' }, 'store_unavailable'],
    [{ TEMPORAL_ADDRESS: '127.0.0.1:1' }, 'temporal_unavailable'],
    [{ SLUICE_NAMESPACE: 'elsewhere' }, 'invalid_config'],
  ])('are refused in words when they do not answer or lack the namespace: %j', async (changes, code) => {
    await expect(start(changes)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(Object.keys(changes)[0] ?? ''),
    })
  })

  it('are taken as they are, and stay up', async () => {
    const ground = await start({})
    expect(ground).toMatchObject({
      mongodbUri: groundAddress('MONGODB_URI'),
      temporalAddress: groundAddress('TEMPORAL_ADDRESS'),
    })
    expect([ground.mongo, ground.temporal]).toEqual([undefined, undefined])
    await ground.stop()
    await (await start({})).stop()
  })
})

const portOf = (uri: string): number => Number(new URL(uri).port)

async function startWorkflow(ground: Ground, workflowId: string): Promise<void> {
  const connection = await Connection.connect({ address: ground.temporalAddress })
  try {
    await new Client({ connection }).workflow.start('release', { taskQueue: 'nobody', workflowId, args: [] })
  } finally {
    await connection.close()
  }
}
