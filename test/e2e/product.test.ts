import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MongoClient } from 'mongodb'
import { childEnvironment, readConfig } from '../../src/config'
import { type Ground, startEmbedded } from '../../src/embedded/embedded'
import { beginningOf } from '../../src/embedded/process-identity'
import { type Product, type ProductOptions, startProduct } from '../../src/embedded/product'

describe('the product as processes', () => {
  let folder: string
  let ground: Ground
  let product: Product | undefined
  const database = `test_product_${process.pid}`
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-product-'))
    ground = await startEmbedded({ name: 'one', config: config() })
  })
  afterEach(async () => {
    await product?.stop()
    product = undefined
  })
  afterAll(async () => {
    const client = await MongoClient.connect(ground.mongodbUri)
    await client.db(database).dropDatabase()
    await client.close()
    await ground.stop()
    rmSync(folder, { recursive: true })
  })

  const config = (changes: Readonly<Record<string, string>> = {}) =>
    readConfig(childEnvironment({ SLUICE_FOLDER: folder, SLUICE_LOG_LEVEL: 'warn', ...changes }))

  const start = async (options: Partial<ProductOptions> = {}): Promise<Product> => {
    product = await startProduct(ground, { config: config(), database, ...options })
    return product
  }

  const status = async ({ apiUrl }: Product, path: string, key?: string): Promise<number> => {
    const headers = key === undefined ? {} : { authorization: `Bearer ${key}` }
    return (await fetch(`${apiUrl}${path}`, { headers })).status
  }

  it('answers with the admin key, which only its owner can read, and writes where it is', async () => {
    const running = await start({ publish: true })
    expect(await status(running, '/readyz')).toBe(200)
    expect(await status(running, '/v1/tasks')).toBe(401)
    expect(await status(running, '/v1/tasks', running.adminKey)).toBe(200)
    expect(readFileSync(running.adminKeyFile, 'utf8').trim()).toBe(running.adminKey)
    expect(statSync(running.adminKeyFile).mode & 0o777).toBe(0o600)
    expect(JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8'))).toEqual({
      apiUrl: running.apiUrl,
      temporalAddress: ground.temporalAddress,
      ...(ground.temporalUiUrl === undefined ? {} : { temporalUiUrl: ground.temporalUiUrl }),
      mongodbUri: ground.mongodbUri,
      adminKeyFile: running.adminKeyFile,
    })
    const pids = [running.server.process.pid, running.worker.process.pid]
    await running.stop()
    expect(statSync(join(folder, 'run.json'), { throwIfNoEntry: false })).toBeUndefined()
    expect(pids.map(beginningOf)).toEqual([undefined, undefined])
  })

  it('keeps key and address over a restart, and makes a new key for a database that does not know it', async () => {
    const first = await start({ publish: true })
    await first.stop()
    const second = await start({ publish: true })
    expect([second.adminKey, second.apiUrl]).toEqual([first.adminKey, first.apiUrl])
    const client = await MongoClient.connect(ground.mongodbUri)
    await client.db(database).collection('keys').deleteMany({})
    await client.close()
    await second.stop()
    const third = await start({ publish: true })
    expect(third.adminKey).not.toBe(first.adminKey)
    expect(await status(third, '/v1/tasks', third.adminKey)).toBe(200)
  })

  it('is published by one instance at a time', async () => {
    await start({ publish: true })
    const again = startProduct(ground, { config: config(), database, publish: true })
    await expect(again).rejects.toMatchObject({ code: 'instance_running' })
    expect(statSync(join(folder, 'run.json')).isFile()).toBe(true)
  })

  it('brings a killed server back on its address', async () => {
    const running = await start()
    const { pid } = running.server.process
    process.kill(pid, 'SIGKILL')
    while (running.server.process.pid === pid) await new Promise((resolve) => setImmediate(resolve))
    expect(await status(running, '/readyz')).toBe(200)
  })

  it('leaves a worker down that was killed on purpose, until it is started again', async () => {
    const running = await start()
    const { pid } = running.worker.process
    await running.killWorker()
    expect(beginningOf(pid)).toBeUndefined()
    expect(await status(running, '/readyz')).toBe(200)
    await running.restartWorker()
    expect(running.worker.process.pid).not.toBe(pid)
    expect(running.worker.process.running()).toBe(true)
  })

  it('refuses a port that another program listens on, when it was asked for by name', async () => {
    const running = await start()
    const { port } = new URL(running.apiUrl)
    await expect(
      startProduct({ ...ground, folder: join(folder, 'two') }, { config: config({ SLUICE_PORT: port }), database }),
    ).rejects.toMatchObject({ code: 'invalid_config', details: { variable: 'SLUICE_PORT' } })
  })
})
