import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { childEnvironment } from '../../src/config'
import type { DatasetContent } from '../../src/domain/contents'
import { digestOf } from '../../src/store/canonical'
import type { Store } from '../../src/store/store'
import { groundAddress, testStore } from '../support/ground'
import { type ServerProcess, startServerProcess } from '../support/server-process'
import { type Wire, wireTo } from '../support/traffic'
import { until } from '../support/until'

const rows = Array.from({ length: 20_000 }, (_, number) => ({ id: `row-${number}`, text: `text ${number % 7}` }))

describe('a push that is killed', () => {
  let store: Store
  let drop: () => Promise<void>
  let server: ServerProcess
  let wire: Wire
  let key: string
  let folder: string
  beforeAll(async () => {
    const ground = await testStore()
    store = ground.store
    drop = ground.drop
    key = await store.keys.create('ann', 'admin')
    folder = mkdtempSync(join(tmpdir(), 'push-killed-'))
    mkdirSync(join(folder, 'datasets/many'), { recursive: true })
    writeFileSync(join(folder, 'datasets/many/1.0.0.yaml'), 'description: many rows\n')
    writeFileSync(join(folder, 'datasets/many/1.0.0.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
    server = await start()
    wire = await wireTo(server.url)
  })
  afterAll(async () => {
    await wire.close()
    await server.kill()
    rmSync(folder, { recursive: true })
    await drop()
  })

  const start = () =>
    startServerProcess(
      { mongodbUri: groundAddress('MONGODB_URI'), temporalAddress: groundAddress('TEMPORAL_ADDRESS') },
      store.database.db.databaseName,
    )
  /** The CLI as a process of its own; its wire is in this process, so that none comes to its end while this one is held up. */
  const push = () => {
    const script = join(__dirname, '../../dist/src/cli/main.js')
    const child = spawn(process.execPath, [script, 'push', folder], {
      env: childEnvironment({ SLUICE_URL: wire.url, SLUICE_API_KEY: key }),
      stdio: 'ignore',
    })
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
    return { kill: () => child.kill('SIGKILL'), ended }
  }
  const count = (collection: string) => store.database.collection(collection).countDocuments()
  const stored = (least: number) => until(`${least} rows are stored`, async () => (await count('rows')) >= least)

  it('leaves no version behind, whichever side dies, and goes on where it was', async () => {
    const first = push()
    await stored(3_000)
    first.kill()
    await first.ended
    expect(await count('versions')).toBe(0)

    const second = push()
    await stored(10_000)
    await server.kill()
    expect(await second.ended).toBe(1)
    expect(await count('versions')).toBe(0)

    server = await start()
    await wire.close()
    wire = await wireTo(server.url)
    expect(await push().ended).toBe(0)
    const { content } = await store.catalog.version('dataset/many@1.0.0')
    const { root } = content as DatasetContent
    expect(root).toBe(digestOf({ rows: rows.map(digestOf).sort() }))
    expect(await count('rows')).toBe(rows.length)
    let read = 0
    for await (const { digest, row } of store.catalog.rows(root)) {
      if (digest === digestOf(row)) read += 1
    }
    expect(read).toBe(rows.length)
  })
})
