import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Config, defaultPort, type Environment } from '../config'
import { SluiceError } from '../errors'
import { ensureAdminKey } from './admin-key'
import { ensureCaptureKey } from './capture-key'
import { type Ground, rememberedPort, rememberPort } from './embedded'
import { projectRoot, writeAtomically } from './files'
import { acquireLock } from './lock'
import { portIsFree, type ReservedPort, reservePort } from './ports'
import { type Progress, silent } from './progress'
import { type Supervised, supervise } from './supervised'

/** How the product's processes are started, from the project's folder; `docker-compose.yml` starts the same. */
export const serverCommand = ['node', 'dist/src/server.js'] as const
export const workerCommand = ['node', 'dist/src/worker.js'] as const

export interface ProductOptions {
  readonly config: Config
  /** Another database than the configured one, so that tests do not meet. */
  readonly database?: string
  /** Variables for server and worker on top of this process's own. */
  readonly environment?: Environment
  /** Write `run.json` and `admin.key` into `config.folder`, where the CLI looks. One instance a checkout can. */
  readonly publish?: boolean
  /** Start a crashed process again; default true. */
  readonly keepRunning?: boolean
  readonly progress?: Progress
}

/** A running API server and worker. */
export interface Product {
  readonly apiUrl: string
  readonly adminKey: string
  readonly adminKeyFile: string
  /** `server.process.pid` is the program's own. */
  readonly server: Supervised
  readonly worker: Supervised
  /** Rejects when a process crashed so often that it was given up; never resolves. */
  readonly failure: Promise<never>
  killWorker(): Promise<void>
  restartWorker(): Promise<void>
  killServer(): Promise<void>
  restartServer(): Promise<void>
  /** Server first, then the worker; the ground stays up. May be called again. */
  stop(): Promise<void>
}

/** Starts server and worker on running servers; resolves when both are ready. On failure nothing is left running. */
export async function startProduct(ground: Ground, options: ProductOptions): Promise<Product> {
  const { config, publish = false, progress = silent } = options
  const home = publish ? config.folder : ground.folder
  const lock = await acquireLock(join(home, 'product.lock'), { purpose: 'it runs the product' })
  const started: Supervised[] = []
  const runFile = join(home, 'run.json')
  const stopAll = async (): Promise<void> => {
    if (publish) rmSync(runFile, { force: true })
    for (const each of started) await each.stop()
    lock.release()
  }
  try {
    rmSync(runFile, { force: true })
    const database = options.database ?? config.database
    const adminKeyFile = join(home, 'admin.key')
    const adminKey = await ensureAdminKey(ground.mongodbUri, database, adminKeyFile)
    const reserved = await apiPort(config, ground.folder, publish)
    const { port } = reserved
    const apiUrl = `http://${urlHost(config.host)}:${port}`
    let fail: (error: SluiceError) => void = () => undefined
    const failure = new Promise<never>((_, reject) => {
      fail = reject
    })
    failure.catch(() => undefined)
    const captureKey = ensureCaptureKey(join(home, 'capture.key'))
    const environment = productEnvironment(ground, { ...options, database, port, captureKey })
    const start = async (name: string, [, script]: readonly [string, string]): Promise<Supervised> => {
      const supervised = await supervise({
        spec: programSpec(name, script, ground.folder, environment),
        keepRunning: options.keepRunning ?? true,
        onGivenUp: fail,
        onLine: progress,
      })
      started.push(supervised)
      return supervised
    }
    const server = await start('server', serverCommand).finally(reserved.release)
    const worker = await start('worker', workerCommand)
    rememberPort(ground.folder, 'api', port)
    if (publish) publishRun(runFile, { apiUrl, adminKeyFile, ground })
    let stopping: Promise<void> | undefined
    return {
      apiUrl,
      adminKey,
      adminKeyFile,
      server,
      worker,
      failure,
      killWorker: worker.kill,
      restartWorker: worker.restart,
      killServer: server.kill,
      restartServer: server.restart,
      stop: () => (stopping ??= stopAll()),
    }
  } catch (error) {
    await stopAll()
    throw error
  }
}

/** What a program that looks for the running instance finds in `.sluice/run.json`. */
export interface RunFile {
  readonly apiUrl: string
  readonly temporalAddress: string
  readonly temporalUiUrl?: string
  readonly mongodbUri: string
  readonly adminKeyFile: string
}

const ownerOnly = 0o600

/** For the owner alone: an external MongoDB's URI may carry a password. */
function publishRun(path: string, run: { apiUrl: string; adminKeyFile: string; ground: Ground }): void {
  const { apiUrl, adminKeyFile, ground } = run
  const content: RunFile = {
    apiUrl,
    temporalAddress: ground.temporalAddress,
    ...(ground.temporalUiUrl === undefined ? {} : { temporalUiUrl: ground.temporalUiUrl }),
    mongodbUri: ground.mongodbUri,
    adminKeyFile,
  }
  writeAtomically(path, `${JSON.stringify(content, undefined, 2)}\n`, ownerOnly)
}

function programSpec(name: string, script: string, folder: string, environment: Environment) {
  const path = join(projectRoot(), script)
  // The instance's folder as an argument makes the command line this instance's own.
  return { name, command: process.execPath, args: [path, folder], folder, marker: `${path} ${folder}`, environment }
}

function productEnvironment(
  ground: Ground,
  options: ProductOptions & { readonly database: string; readonly port: number; readonly captureKey: string },
): Environment {
  return {
    SLUICE_CAPTURE_KEY: options.captureKey,
    MONGODB_URI: ground.mongodbUri,
    TEMPORAL_ADDRESS: ground.temporalAddress,
    TEMPORAL_UI_URL: ground.temporalUiUrl,
    SLUICE_NAMESPACE: ground.namespace,
    SLUICE_DATABASE: options.database,
    SLUICE_HOST: options.config.host,
    SLUICE_PORT: `${options.port}`,
    ...options.environment,
  }
}

/** A port that was asked for must be had; otherwise the last one, the usual one where people look for it, a free one. */
async function apiPort(config: Config, folder: string, publish: boolean): Promise<ReservedPort> {
  const { port, host } = config
  if (port === undefined) return reservePort(rememberedPort(folder, 'api') ?? (publish ? defaultPort : undefined), host)
  if (port !== 0 && !(await portIsFree(port, host))) {
    throw new SluiceError(
      'invalid_config',
      `SLUICE_PORT is ${port}, which another program listens on. Stop that program, choose another port, or unset ` +
        'the variable to have a free one chosen.',
      { variable: 'SLUICE_PORT' },
    )
  }
  return reservePort(port, host)
}

/** An address to connect to: a server that listens on all addresses is reached on the loopback one. */
function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1'
  return host.includes(':') ? `[${host}]` : host
}
