import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Db, MongoClient, MongoServerError } from 'mongodb'
import { SluiceError } from '../errors'
import { type EmbeddedServer, embeddedServer } from './embedded-server'
import { readJson, writeAtomically } from './files'
import { type ManagedProcess, startProcess } from './managed-process'
import type { Provisioned } from './provision'
import { untilReady } from './readiness'

const replicaSet = 'sluice'
const readyMs = 60_000
const askMs = 2000
const notYetInitialized = 94

export interface MongoOptions {
  readonly program: Provisioned
  /** The instance's folder; the data lie in `mongo/` below it. */
  readonly folder: string
  readonly port: number
}

export function mongoUri(port: number): string {
  return `mongodb://127.0.0.1:${port}/?directConnection=true`
}

/** A single-node replica set (transactions and change streams need one) on the loopback address. */
export async function startMongo(options: MongoOptions): Promise<EmbeddedServer> {
  checkDataVersion(options)
  return embeddedServer(() => start(options))
}

async function start({ program, folder, port }: MongoOptions): Promise<ManagedProcess> {
  const data = join(folder, 'mongo')
  mkdirSync(data, { recursive: true })
  const server = await startProcess({
    name: 'mongod',
    command: program.path,
    args: [
      ...['--replSet', replicaSet, '--dbpath', data, '--port', `${port}`, '--bind_ip', '127.0.0.1', '--quiet'],
      ...['--wiredTigerCacheSizeGB', '0.5', '--oplogSize', '512', '--nounixsocket'],
      ...['--setParameter', 'diagnosticDataCollectionEnabled=false'],
      ...['--setParameter', 'shutdownTimeoutMillisForSignaledShutdown=1000'],
      // Of a database that is dropped the files stay open for as long, 300 to 600 s by default: with many, mongod runs out of
      // handles and aborts. Transactions hold what they read by themselves.
      ...['--setParameter', 'minSnapshotHistoryWindowInSeconds=5'],
      ...['--setParameter', 'wiredTigerFileHandleCloseIdleTime=30'],
    ],
    folder,
    marker: data,
  })
  try {
    await untilReady(server, readyMs, () => withAdmin(port, (admin) => makePrimary(admin, port)))
    return server
  } catch (error) {
    await server.stop()
    throw error
  }
}

async function withAdmin<T>(port: number, work: (admin: Db) => Promise<T>): Promise<T> {
  const client = new MongoClient(mongoUri(port), { serverSelectionTimeoutMS: askMs, connectTimeoutMS: askMs })
  try {
    return await work(client.db('admin'))
  } finally {
    await client.close()
  }
}

/** Throws until the node is primary of a set whose only member it is. */
async function makePrimary(admin: Db, port: number): Promise<void> {
  const host = `127.0.0.1:${port}`
  const hello = await admin.command({ hello: 1 })
  if (hello.isWritablePrimary === true && hello.me === host) return
  await configure(admin, host)
  throw new Error('the replica set has no primary yet')
}

/** Makes the set the first time; after a start on another port, writes the new one into it. */
async function configure(admin: Db, host: string): Promise<void> {
  const members = [{ _id: 0, host }]
  try {
    const { config } = await admin.command({ replSetGetConfig: 1 })
    if (config.members[0].host === host) return
    const next = { ...config, version: config.version + 1, members: [{ ...config.members[0], host }] }
    await admin.command({ replSetReconfig: next, force: true })
  } catch (error) {
    if (!(error instanceof MongoServerError && error.code === notYetInitialized)) throw error
    await admin.command({ replSetInitiate: { _id: replicaSet, members } })
  }
}

/** MongoDB opens data of another major version only along its upgrade path, and says so in a riddle. */
function checkDataVersion({ program, folder }: MongoOptions): void {
  const path = join(folder, 'mongo-version.json')
  const wrote = (readJson(path) as { version?: string } | undefined)?.version
  if (wrote !== undefined && majorOf(wrote) !== majorOf(program.version)) {
    throw new SluiceError(
      'provision_failed',
      `The data in ${join(folder, 'mongo')} were written by ${wrote}; ${program.path} is ${program.version}. ` +
        `Put ${wrote} on PATH, or remove ${folder} if the data may go.`,
    )
  }
  mkdirSync(folder, { recursive: true })
  writeAtomically(path, JSON.stringify({ version: program.version }))
}

function majorOf(version: string): string {
  return /\d+/.exec(version)?.[0] ?? version
}

/** Throws away the data of an instance. */
export function removeMongoData(folder: string): void {
  rmSync(join(folder, 'mongo'), { recursive: true, force: true })
  rmSync(join(folder, 'mongo-version.json'), { force: true })
}
