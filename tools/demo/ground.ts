import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { BillLine } from '../../examples/engine/bill'
import { type Config, readConfig } from '../../src/config'
import { type Ground, startEmbedded } from '../../src/embedded/embedded'
import { projectRoot } from '../../src/embedded/files'
import { type ManagedProcess, startProcess } from '../../src/embedded/managed-process'
import { type Product, type ProductOptions, startProduct } from '../../src/embedded/product'
import type { Progress } from '../../src/embedded/progress'
import { provision } from '../../src/embedded/provision'
import { untilReady } from '../../src/embedded/readiness'
import { temporalCli } from '../../src/embedded/temporal-binary'
import { SluiceError } from '../../src/errors'
import { openStore, type Store } from '../../src/store/store'
import type { Ends } from './ends'
import { makeNamespace, removeNamespace } from './namespace'

/** Keys that the simulated engine bills apart. */
export const engineKeys = { applications: 'demo-applications', evaluation: 'demo-evaluation' } as const

/** Everything that the demo runs on. */
export interface DemoGround {
  readonly servers: Ground
  readonly product: Product
  readonly store: Store
  readonly database: string
  /** Of application logs, notes and server logs. */
  readonly folder: string
  /** The `temporal` program. */
  readonly temporal: string
  /** Base URL of the simulated engine. */
  readonly engineUrl: string
  /** Whether `.sluice/run.json` names this instance. */
  readonly published: boolean
  /** The simulated engine's own books. */
  bill(): Promise<readonly BillLine[]>
}

const name = 'demo'
const latencyScale = '0.1'

/**
 * Starts servers, the simulated engine and the product. What must be stopped again is pushed on `ends` as it starts; the
 * database of external servers is left behind where `keepData` says so then.
 */
export async function startGround(progress: Progress, ends: Ends, keepData: () => boolean): Promise<DemoGround> {
  const run = Date.now().toString(36)
  const config = await ownNamespace(readConfig(), `sluice-demo-${run}`, ends)
  ends.assertOpen()
  const { path: temporal } = await provision(temporalCli, { cacheFolder: config.cacheFolder, progress })
  ends.assertOpen()
  const servers = await startEmbedded({ name, config, fresh: true, progress })
  ends.push(() => servers.stop())
  ends.assertOpen()
  const { folder } = servers
  for (const part of ['applications', 'notes']) rmSync(join(folder, part), { recursive: true, force: true })
  mkdirSync(join(folder, 'applications'))
  const engine = await startEngine(folder)
  ends.push(() => engine.process.stop())
  ends.assertOpen()
  progress(`simulated engine: ready at ${engine.url}`)
  const database = `demo_${run}`
  const store = await openStore(servers.mongodbUri, database)
  ends.push(async () => {
    if (keepData()) progress(`The database ${database} is kept for a look.`)
    else await store.database.db.dropDatabase()
    await store.database.close()
  })
  ends.assertOpen()
  const { product, published } = await startPublished(servers, {
    config,
    database,
    environment: productEnvironment(engine.url, folder),
    progress,
  })
  ends.push(() => product.stop())
  progress(`server and worker: ready at ${product.apiUrl}`)
  return {
    servers,
    product,
    store,
    database,
    folder,
    temporal,
    engineUrl: engine.url,
    published,
    bill: () => readBill(engine.url),
  }
}

/** In an external Temporal the demo has a namespace of its own, so that it meets nobody's releases and workers. */
async function ownNamespace(config: Config, namespace: string, ends: Ends): Promise<Config> {
  const address = config.temporalAddress
  if (address === undefined) return config
  await makeNamespace(address, namespace)
  ends.push(() => removeNamespace(address, namespace))
  return { ...config, namespace }
}

function productEnvironment(engineUrl: string, folder: string) {
  const endpoints = { simulated: { url: engineUrl, apiKeyEnv: 'SLUICE_DEMO_ENGINE_KEY' } }
  return {
    SLUICE_ENDPOINTS: JSON.stringify(endpoints),
    SLUICE_DEMO_ENGINE_KEY: engineKeys.evaluation,
    SLUICE_FOLDER: folder,
    SLUICE_LOG_LEVEL: 'warn',
  }
}

/** Where another instance is published in this checkout, the demo runs beside it, unpublished. */
async function startPublished(
  servers: Ground,
  options: ProductOptions,
): Promise<{ product: Product; published: boolean }> {
  try {
    return { product: await startProduct(servers, { ...options, publish: true }), published: true }
  } catch (error) {
    if (!(error instanceof SluiceError && error.code === 'instance_running')) throw error
    return { product: await startProduct(servers, options), published: false }
  }
}

const engineReadyMs = 30_000

async function startEngine(folder: string): Promise<{ process: ManagedProcess; url: string }> {
  let url: string | undefined
  const script = join(projectRoot(), 'dist/examples/engine/main.js')
  const engine = await startProcess({
    name: 'engine',
    command: process.execPath,
    args: [script, '--port', '0', '--latency-scale', latencyScale, '--prompt-cache'],
    folder,
    marker: script,
    onLine: (line) => {
      url ??= /(http:\/\/\S+)/.exec(line)?.[1]
    },
  })
  const known = await untilReady(engine, engineReadyMs, async () => {
    if (url === undefined) throw new SluiceError('engine_failed', 'the engine has not told its address')
    return url
  })
  return { process: engine, url: known }
}

async function readBill(engineUrl: string): Promise<readonly BillLine[]> {
  const response = await fetch(new URL('/admin/bill', engineUrl))
  return (await response.json()) as readonly BillLine[]
}
