import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { createServer, connect as dial, type Socket } from 'node:net'
import { buildServer } from '../../src/api/server'
import type { EntryDraft, FrozenThresholds, Slice } from '../../src/domain/allocation'
import type { StratumKey, TelemetryBatch, UnitReport } from '../../src/domain/telemetry'
import type { Digest } from '../../src/domain/version'
import type { Sluice } from '../../src/sdk'
import { connect } from '../../src/sdk'
import type { ConnectOptions } from '../../src/sdk/options'
import { createLedger, type Ledger, ledgerCollections } from '../../src/store/ledger'
import type { DeployGate } from '../../src/store/ledger-requests'
import { openStore, type Store } from '../../src/store/store'
import { createTenants, type Tenants, tenantCollections } from '../../src/store/tenants'
import { groundAddress, testStore } from './ground'

export const task = 'csat-scoring'
export const environment = 'production'

/** A running API server of its own store on the same database. */
export interface TestServer {
  readonly url: string
  readonly store: Store
  close(): Promise<void>
}

/** Lanes, composites and servers for tests of live traffic. The gate lets everything pass: it has tests of its own. */
export interface TrafficGround {
  readonly store: Store
  readonly ledger: Ledger
  readonly tenants: Tenants
  readonly appKey: string
  readonly adminKey: string
  /** The composite of this number; `padding` makes its prompt longer. */
  composite(number: number, padding?: string): Promise<Digest>
  settle(number: number, padding?: string): Promise<Digest>
  step(step: TestStep): Promise<{ seq: number; at: number }>
  rollback(releaseId: string): Promise<void>
  serve(port?: number): Promise<TestServer>
  connect(url: string, options?: Partial<ConnectOptions>): Promise<Sluice>
  end(): Promise<void>
}

export interface TestStep {
  readonly incumbent: number
  readonly candidate: number
  readonly basisPoints?: number
  readonly exposure?: readonly Slice[]
  readonly releaseId?: string
  readonly thresholds?: FrozenThresholds
  readonly leadMs?: number
  readonly watches?: Pick<EntryDraft, 'outputs' | 'quality' | 'tenantSpend'>
}

const openGate: DeployGate = {
  rolloutEnvironment: async () => environment,
  holdContents: async () => undefined,
  assertDeployable: async () => undefined,
}
const policy: Digest = `sha256:${'0'.repeat(64)}`
/** A server that answers late, as on a busy machine, is none that is away. */
const connecting = { environment, flushIntervalMs: 20, connectTimeoutMs: 60_000 }

export async function trafficGround(mongodbUri = groundAddress('MONGODB_URI')): Promise<TrafficGround> {
  const { store, drop } = await testStore(mongodbUri)
  await store.database.prepare([...ledgerCollections, ...tenantCollections])
  const ledger = createLedger(store.database, openGate)
  const tenants = createTenants(store.database, ledger, openGate)
  const [appKey, adminKey] = [await store.keys.create('app', 'app'), await store.keys.create('root', 'admin')]
  const ids = new Map<number, Promise<Digest>>()
  const composite = (number: number, padding = ''): Promise<Digest> => {
    const known = ids.get(number) ?? register(store, number, padding)
    ids.set(number, known)
    return known
  }
  const servers: TestServer[] = []
  const clients: Sluice[] = []
  const base = async () => (await ledger.lane(environment, task)).baseSeq
  return {
    store,
    ledger,
    tenants,
    appKey,
    adminKey,
    composite,
    async settle(number, padding) {
      const id = await composite(number, padding)
      const draft = { cause: 'settle' as const, by: 'test', incumbent: id, exposure: [], salt: randomUUID() }
      await ledger.forward({
        ...place(),
        draft,
        expectedBase: await base(),
        policy,
        leadMs: 0,
      })
      return id
    },
    async step({ basisPoints = 5_000, releaseId = 'release-1', leadMs = 0, thresholds, watches = {}, ...rest }) {
      const exposure = rest.exposure ?? [{ to: 'rest', basisPoints, by: 'conversation' }]
      const draft = {
        cause: 'step' as const,
        by: 'test',
        releaseId,
        salt: releaseId,
        exposure,
        incumbent: await composite(rest.incumbent),
        candidate: await composite(rest.candidate),
        ...{ ...(thresholds ? { thresholds } : {}), ...watches },
      }
      const request = { ...place(), draft, expectedBase: await base(), policy, leadMs }
      return (await ledger.forward(request)).entry
    },
    async rollback(releaseId) {
      const penalties = { hold: false, veto: false }
      await ledger.restore({ ...place(), by: 'test', reason: 'errors', penalties, releaseId })
    },
    async serve(port = 0) {
      const server = await startServer(mongodbUri, store.database.db.databaseName, port)
      servers.push(server)
      return server
    },
    async connect(url, options = {}) {
      const client = await connect({ ...connecting, url, apiKey: appKey, ...options })
      clients.push(client)
      return client
    },
    async end() {
      for (const client of clients) await client.shutdown()
      for (const server of servers) await server.close()
      await drop()
    },
  }
}

const place = () => ({ environment, task, key: randomUUID() })

async function register(store: Store, number: number, padding: string): Promise<Digest> {
  const about = { semver: '1.0.0', author: 'test', description: `composite ${number}` }
  const name = `csat-${number}`
  const text = `Score ${number}: {{transcript}}${padding}`
  await store.catalog.register({ ...about, kind: 'prompt', name, content: { text } })
  const pricePerMillion = { input: 2, cachedInput: 1, output: 8 }
  const engine = { endpoint: 'simulated', model: 'sim-1', pricePerMillion, maxAttempts: 1 }
  await store.catalog.register({ ...about, kind: 'engine', name: 'sim', content: engine })
  const schema = { type: 'object', properties: { csat: { type: 'integer' } }, required: ['csat'] }
  await store.catalog.register({ ...about, kind: 'schema', name: 'csat', content: schema })
  const roles = { prompt: `prompt/${name}@1.0.0`, engine: 'engine/sim@1.0.0', schema: 'schema/csat@1.0.0' }
  return (await store.catalog.commitComposite(roles)).id
}

async function startServer(mongodbUri: string, database: string, port: number): Promise<TestServer> {
  const store = await openStore(mongodbUri, database)
  const app = buildServer({ store } as Parameters<typeof buildServer>[0])
  const url = await app.listen({ port, host: '127.0.0.1' })
  let closed: Promise<void> | undefined
  return {
    url,
    store,
    close() {
      closed ??= app.close().then(() => store.database.close())
      return closed
    },
  }
}

/** A wire that can be cut: every connection at once, and no new one until it is mended. */
export interface Wire {
  readonly url: string
  cut(): void
  mend(): void
  close(): Promise<void>
}

export async function wireTo(url: string): Promise<Wire> {
  const { port, hostname } = new URL(url)
  const sockets = new Set<Socket>()
  let broken = false
  const server = createServer((near) => {
    if (broken) {
      near.destroy()
      return
    }
    const far = dial(Number(port), hostname)
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
      socket.pipe(other)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = () => {
    broken = true
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    mend() {
      broken = false
    },
    async close() {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Resolves at the next event of this name that fits. */
export function next(
  sluice: Sluice,
  name: 'change' | 'stale' | 'error',
  fits: () => boolean = () => true,
): Promise<unknown> {
  return new Promise((resolve) => {
    const off = sluice.on(name, (event) => {
      if (!fits()) return
      off()
      resolve(event)
    })
  })
}

/** Resolves once this client serves by entry `seq`. */
export async function served(sluice: Sluice, seq: number): Promise<void> {
  while ((sluice.heads[task] ?? 0) < seq) await next(sluice, 'change')
}

export const emptyBatch = (reporter: string): TelemetryBatch => ({
  reporter,
  environment,
  appliedHeads: {},
  strata: [],
  requests: [],
  late: [],
  lateOutcomes: [],
  dropped: 0,
})

export const unitReport = (changes: Partial<UnitReport> & { unit: string }): UnitReport => ({
  tenant: 'acme',
  part: 0,
  revision: 1,
  requests: 1,
  errors: 0,
  schemaFailures: 0,
  costUsd: 0.01,
  uncachedCostUsd: 0.01,
  latencyMs: 100,
  inputTokens: 10,
  cachedTokens: 0,
  outputTokens: 5,
  events: [],
  closed: false,
  gap: false,
  ...changes,
})

export function batchOf(
  reporter: string,
  key: Omit<StratumKey, 'environment'>,
  units: readonly UnitReport[],
): TelemetryBatch {
  return { ...emptyBatch(reporter), strata: [{ ...key, units }] }
}

export const unitName = (number: number): string => number.toString(16).padStart(16, '0')
