import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type Sluice } from '../../src/sdk'
import type { ConnectOptions } from '../../src/sdk/options'
import { laneSnapshot, type SnapshotServer, snapshotServer } from '../support/snapshot-server'
import { until } from '../support/until'

const anHourMs = 3_600_000
const clients: Sluice[] = []
let server: SnapshotServer
let cacheDir: string

beforeEach(async () => {
  server = await snapshotServer(laneSnapshot('one', [{ at: Date.now() - anHourMs, serves: 'sha256:one' }]))
  cacheDir = await mkdtemp(join(tmpdir(), 'sluice-sleep-'))
})
afterEach(async () => {
  for (const client of clients.splice(0)) await client.shutdown()
  await server.close()
  await rm(cacheDir, { recursive: true, force: true })
})

async function connected(more: Partial<ConnectOptions>): Promise<Sluice> {
  const fixed = { url: server.url, apiKey: 'k', environment: 'production', flushIntervalMs: anHourMs }
  const client = await connect({ ...fixed, cacheDir, ...more })
  clients.push(client)
  return client
}

it('counts the time asleep into the age, says that it is stale, and asks', async () => {
  let sleptMs = 0
  let stale = 0
  const sluice = await connected({ clock: () => Date.now() + sleptMs, onStale: () => stale++ })
  await until('the server streams', async () => server.beats > 0)
  const { questions } = server
  sleptMs = anHourMs
  expect(sluice.snapshot.ageMs).toBeGreaterThan(anHourMs - 60_000)
  expect(sluice.snapshot.stale).toBe(true)
  await until('it was told, asked, and is up to date', async () => {
    return stale === 1 && server.questions > questions && !sluice.snapshot.stale
  })
})

it('does not take for news what an open stream says first after a sleep', async () => {
  server.offer({ ...laneSnapshot('one', [{ at: Date.now() - anHourMs, serves: 'sha256:one' }]), leadMs: anHourMs })
  let sleptMs = 0
  const stale: number[] = []
  const clock = () => Date.now() + sleptMs
  const sluice = await connected({ clock, onStale: ({ ageMs }) => stale.push(ageMs) })
  for (let sleeps = 1; sleeps <= 5; sleeps++) {
    const { beats } = server
    await until('the server streams', async () => server.beats > beats + 1)
    const { questions } = server
    sleptMs += anHourMs
    await until('it was told and asked', async () => stale.length === sleeps && server.questions > questions)
    await until('it is up to date', async () => !sluice.snapshot.stale)
  }
  expect(Math.min(...stale)).toBeGreaterThan(anHourMs - 60_000)
})

it('notices a sleep by itself, and stays stale where nobody answers', async () => {
  let sleptMs = 0
  let stale = 0
  const sluice = await connected({ clock: () => Date.now() + sleptMs, onStale: () => stale++ })
  await server.close()
  sleptMs = anHourMs
  await until('it was told', async () => stale === 1)
  expect(sluice.snapshot.stale).toBe(true)
})

it('takes a file from the future of this machine for one of unknown age', async () => {
  await (await connected({})).shutdown()
  await server.close()
  const behind = await connected({ clock: () => Date.now() - anHourMs })
  expect(behind.snapshot).toMatchObject({ ageMs: Number.POSITIVE_INFINITY, stale: true })
  const right = await connected({})
  expect(right.snapshot.stale).toBe(false)
})
