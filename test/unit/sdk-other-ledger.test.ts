import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Snapshot } from '../../src/domain/snapshot'
import { connect, type Sluice } from '../../src/sdk'
import type { ConnectOptions } from '../../src/sdk/options'
import { laneSnapshot, laneTask, type SnapshotServer, snapshotServer } from '../support/snapshot-server'
import { until } from '../support/until'

const anHourMs = 3_600_000
/** Of applications that are to become stale; the others never do, however slow the machine is. */
const maxStaleMs = 500
const start = Date.now() - anHourMs
const [good, bad, other] = ['sha256:good', 'sha256:bad', 'sha256:other'] as const
const long = laneSnapshot('long', [
  { at: start, serves: good },
  { at: start + 1, serves: bad },
])
const short = laneSnapshot('short', [{ at: start, serves: good }])
const another = laneSnapshot('another', [{ at: start + 2, serves: other }])

let server: SnapshotServer
const servers: SnapshotServer[] = []
let cacheDir: string
const clients: Sluice[] = []
const told: string[] = []

beforeEach(async () => {
  server = await serverOf(long)
  cacheDir = await mkdtemp(join(tmpdir(), 'sluice-ledger-'))
  told.length = 0
})
afterEach(async () => {
  for (const client of clients.splice(0)) await client.shutdown()
  for (const one of servers.splice(0)) await one.close()
  await rm(cacheDir, { recursive: true, force: true })
})

async function serverOf(snapshot: Snapshot): Promise<SnapshotServer> {
  const made = await snapshotServer(snapshot)
  servers.push(made)
  return made
}

async function connected(more: Partial<ConnectOptions> = {}): Promise<Sluice> {
  const client = await connect({
    ...{ url: server.url, apiKey: 'k', environment: 'production', cacheDir, flushIntervalMs: anHourMs },
    onError: ({ code }) => told.push(code),
    onStale: () => told.push('stale'),
    ...more,
  })
  clients.push(client)
  return client
}

function served(client: Sluice): { composite: string; stale: boolean } {
  const serving = client.resolve(laneTask, { tenant: 't', conversation: 'c', startedAt: Date.now() })
  if (serving.skip !== undefined) throw new Error(`skipped: ${serving.skip}`)
  return { composite: serving.composite.id, stale: serving.stale }
}

describe('a server whose ledger is not the one that an application holds', () => {
  it('is followed where an entry of the same seq differs, by a running application and by one with a file', async () => {
    const running = await connected()
    server.offer(another)
    await until('the running one follows', async () => served(running).composite === other)
    expect(told).not.toContain('snapshot_older')
    await running.shutdown()
    server.offer(long)
    expect(served(await connected())).toEqual({ composite: bad, stale: false })
  })

  it('is refused aloud where it is only shorter: one error, then stale, however often it beats', async () => {
    const running = await connected({ maxStaleMs })
    server.offer(short)
    await until('it is refused and stale', async () => told.includes('snapshot_older') && told.includes('stale'))
    const { beats, wholes } = server
    await until('the server beats on', async () => server.beats > beats + 10)
    expect(told.filter((code) => code === 'snapshot_older')).toHaveLength(1)
    expect(served(running)).toEqual({ composite: bad, stale: true })
    // What was refused is not sent again and again.
    expect(server.wholes).toBe(wholes)
    server.offer(long)
    await until('it is confirmed again', async () => !running.snapshot.stale)
  })

  it('is refused aloud at the start too, and the file serves', async () => {
    await (await connected()).shutdown()
    server.offer(short)
    const client = await connected({ maxStaleMs })
    expect(told).toContain('snapshot_older')
    expect(served(client).composite).toBe(bad)
    await until('it is stale', async () => told.includes('stale'))
    expect(client.snapshot).toMatchObject({ version: 'long', stale: true })
  })

  it('is not the server of the file where its address is another', async () => {
    await (await connected()).shutdown()
    const second = await serverOf(short)
    const client = await connected({ url: second.url })
    expect(served(client)).toEqual({ composite: good, stale: false })
    expect(told).toEqual([])
  })
})
