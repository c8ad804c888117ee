import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../config'
import type { EmbeddedServer } from './embedded-server'
import { checkMongo, checkTemporal } from './external'
import { readJson, writeAtomically } from './files'
import { acquireLock, type Lock } from './lock'
import { endLeftover } from './managed-process'
import { mongoUri, removeMongoData, startMongo } from './mongo-server'
import { mongod } from './mongod-binary'
import { reservePort } from './ports'
import { type Progress, silent } from './progress'
import { provision } from './provision'
import { temporalCli } from './temporal-binary'
import { removeTemporalData, startTemporal } from './temporal-server'

export interface EmbeddedOptions {
  /** The instance: its data lie in `<config.folder>/<name>`, and one process at a time runs servers there. */
  readonly name: string
  /** Says which servers are external (`mongodbUri`, `temporalAddress`) and where data and cache lie. */
  readonly config: Config
  /** Throw the data of the last run away. */
  readonly fresh?: boolean
  readonly progress?: Progress
}

/** Running servers. */
export interface Ground {
  readonly mongodbUri: string
  readonly temporalAddress: string
  /** Absent for an external Temporal whose UI was not named. */
  readonly temporalUiUrl?: string
  readonly namespace: string
  /** `<config.folder>/<name>`; logs are in `logs/` below it. */
  readonly folder: string
  /** Present when it is embedded. */
  readonly mongo?: EmbeddedServer
  /** Present when it is embedded. */
  readonly temporal?: EmbeddedServer
  /** Stops what was started here, Temporal first. May be called again. */
  stop(): Promise<void>
}

interface Started {
  readonly address: string
  readonly uiUrl?: string
  readonly server?: EmbeddedServer
}

/**
 * Makes MongoDB and Temporal be there: external ones are checked, others are provisioned and started on free ports of
 * the loopback address. Throws `provision_failed`, `instance_running`, `store_unavailable`, `temporal_unavailable` or
 * `invalid_config`; then nothing is left running.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Ground> {
  const { config, name } = options
  const folder = join(config.folder, name)
  mkdirSync(folder, { recursive: true })
  const lock = isExternal(config) ? undefined : await lockFolder(folder, name)
  try {
    const [mongo, temporal] = await bothOrNone(groundMongo(options, folder), groundTemporal(options, folder))
    let stopping: Promise<void> | undefined
    const stop = async (): Promise<void> => {
      await temporal.server?.stop()
      await mongo.server?.stop()
      lock?.release()
    }
    return {
      mongodbUri: mongo.address,
      temporalAddress: temporal.address,
      ...(temporal.uiUrl === undefined ? {} : { temporalUiUrl: temporal.uiUrl }),
      namespace: config.namespace,
      folder,
      ...(mongo.server === undefined ? {} : { mongo: mongo.server }),
      ...(temporal.server === undefined ? {} : { temporal: temporal.server }),
      stop: () => (stopping ??= stop()),
    }
  } catch (error) {
    lock?.release()
    throw error
  }
}

function isExternal({ mongodbUri, temporalAddress }: Config): boolean {
  return mongodbUri !== undefined && temporalAddress !== undefined
}

/** One process runs the servers of a folder; what a killed one left behind is ended first. */
async function lockFolder(folder: string, name: string): Promise<Lock> {
  const lock = await acquireLock(join(folder, 'lock'), { purpose: `it runs the servers of "${name}"` })
  for (const leftover of ['temporal', 'mongod']) await endLeftover(folder, leftover)
  return lock
}

/** Both are started at once; if one fails, the other is stopped before the failure is told. */
async function bothOrNone(mongo: Promise<Started>, temporal: Promise<Started>): Promise<[Started, Started]> {
  const results = await Promise.allSettled([mongo, temporal])
  const failed = results.find((result) => result.status === 'rejected')
  if (failed === undefined) return Promise.all([mongo, temporal])
  for (const result of results) if (result.status === 'fulfilled') await result.value.server?.stop()
  throw failed.reason
}

async function groundMongo({ config, fresh, progress = silent }: EmbeddedOptions, folder: string): Promise<Started> {
  if (config.mongodbUri !== undefined) {
    await checkMongo(config.mongodbUri)
    return { address: config.mongodbUri }
  }
  const program = await provision(mongod, { cacheFolder: config.cacheFolder, progress })
  if (fresh) removeMongoData(folder)
  const reserved = await reservePort(rememberedPort(folder, 'mongo'))
  const { port } = reserved
  const server = await startMongo({ program, folder, port }).finally(reserved.release)
  rememberPort(folder, 'mongo', port)
  progress(`MongoDB: ready on 127.0.0.1:${port} (${program.version} from ${program.source})`)
  return { address: mongoUri(port), server }
}

async function groundTemporal({ config, fresh, progress = silent }: EmbeddedOptions, folder: string): Promise<Started> {
  const { namespace, temporalAddress, temporalUiUrl } = config
  if (temporalAddress !== undefined) {
    await checkTemporal(temporalAddress, namespace)
    return { address: temporalAddress, ...(temporalUiUrl === undefined ? {} : { uiUrl: temporalUiUrl }) }
  }
  const program = await provision(temporalCli, { cacheFolder: config.cacheFolder, progress })
  if (fresh) removeTemporalData(folder)
  const reserved = await reservePort(rememberedPort(folder, 'temporal'))
  const reservedUi = await reservePort(rememberedPort(folder, 'temporal-ui'))
  const [port, uiPort] = [reserved.port, reservedUi.port]
  const server = await startTemporal({ program, folder, port, uiPort, namespace }).finally(() => {
    reserved.release()
    reservedUi.release()
  })
  rememberPort(folder, 'temporal', port)
  rememberPort(folder, 'temporal-ui', uiPort)
  progress(`Temporal: ready on 127.0.0.1:${port} (${program.version} from ${program.source})`)
  return { address: `127.0.0.1:${port}`, uiUrl: `http://127.0.0.1:${uiPort}`, server }
}

/** The port a service of this instance had the last time. */
export function rememberedPort(folder: string, service: string): number | undefined {
  const port = (readJson(join(folder, `${service}.port.json`)) as { port?: unknown } | undefined)?.port
  return typeof port === 'number' ? port : undefined
}

export function rememberPort(folder: string, service: string, port: number): void {
  writeAtomically(join(folder, `${service}.port.json`), JSON.stringify({ port }))
}
