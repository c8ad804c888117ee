import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { TenantEntry } from '../src/domain/tenant'
import type { Digest } from '../src/domain/version'
import type { DeliveryReport, DeliveryTask } from './delivery-side'
import { environment, type LiveGround, liveGround } from './live-lane'

export const task = 'delivered'
const policy: Digest = `sha256:${'0'.repeat(64)}`
const overrides = 16
const insertedAtOnce = 5_000

/** Clients in processes of their own, of one sort. */
export interface ClientSide {
  readonly side: 'applications' | 'streams'
  readonly count: number
}

/** When every client had an entry, ms since the epoch. */
export interface Delivered {
  readonly askedAt: number
  readonly committedAt: number
  readonly times: readonly number[]
}

/** A server and clients as processes of their own, and a lane that is driven by hand. */
export interface DeliveryGround {
  clients(sides: readonly ClientSide[]): Promise<void>
  /** Appends an entry that goes forward, or takes the last one back, and waits for the last client. */
  forward(): Promise<Delivered>
  rollback(): Promise<Delivered>
  serverMemory(): Promise<DeliveryReport>
  end(): Promise<void>
}

export async function deliveryGround(mongodbUri: string, tenants: number): Promise<DeliveryGround> {
  const ground = await liveGround(mongodbUri)
  const lane = await drivenLane(ground)
  await seedTenants(ground, lane.composites, tenants)
  const processes = new Set<ChildProcess>()
  const start = () => {
    const side = fork(join(__dirname, 'delivery-side.js'), { execArgv: ['--max-old-space-size=2048'] })
    processes.add(side)
    return side
  }
  const server = start()
  const { url = '' } = await told(server, {
    side: 'server',
    mongodbUri,
    database: ground.store.database.db.databaseName,
  })
  const apiKey = await ground.store.keys.create('bench', 'app')
  const sides: ChildProcess[] = []
  const delivered = async (append: () => Promise<number>): Promise<Delivered> => {
    const askedAt = Date.now()
    const reports = sides.map((side) => nextOf(side))
    const seq = await append()
    const committedAt = Date.now()
    const all = await Promise.all(reports)
    if (all.some((report) => report.seq !== seq)) throw new Error(`not every client told of entry ${seq}`)
    return { askedAt, committedAt, times: all.flatMap(({ times = [] }) => times) }
  }
  return {
    async clients(wanted) {
      for (const { side, count } of wanted) {
        const made = start()
        await told(made, { side, url, apiKey, environment, task, count })
        sides.push(made)
      }
    },
    forward: () => delivered(() => lane.step()),
    rollback: () => delivered(() => lane.rollback()),
    serverMemory: () => told(server, { side: 'memory' }),
    async end() {
      for (const side of processes) side.kill()
      await ground.end()
    },
  }
}

function told(side: ChildProcess, order: DeliveryTask): Promise<DeliveryReport> {
  const report = nextOf(side)
  side.send(order)
  return report
}

const nextOf = (side: ChildProcess): Promise<DeliveryReport> =>
  new Promise((resolve, reject) => {
    const gone = (code: number | null) => reject(new Error(`a process ended with ${code}`))
    side.once('exit', gone)
    side.once('message', (report) => {
      side.off('exit', gone)
      resolve(report as DeliveryReport)
    })
  })

async function drivenLane({ store, ledger }: LiveGround) {
  const composites: Digest[] = []
  for (let number = 0; number < overrides + 2; number++) {
    const about = { semver: '1.0.0', author: 'bench', description: 'a benchmark' }
    const content = { text: `Answer ${number}: {{question}}` }
    await store.catalog.register({ ...about, kind: 'prompt', name: `answer-${number}`, content })
    composites.push((await store.catalog.commitComposite({ prompt: `prompt/answer-${number}@1.0.0` })).id)
  }
  const [incumbent, candidate] = composites as [Digest, Digest]
  const place = { environment, task }
  const settle = { cause: 'settle', by: 'bench', incumbent, exposure: [], salt: 'first' } as const
  await ledger.forward({ ...place, key: 'first', policy, leadMs: 0, draft: settle, expectedBase: 0 })
  let releaseId = ''
  return {
    composites,
    async step() {
      releaseId = randomUUID()
      const exposure = [{ to: 'rest', basisPoints: 5_000, by: 'conversation' }] as const
      const draft = { cause: 'step', by: 'bench', releaseId, salt: releaseId, exposure, incumbent, candidate } as const
      const expectedBase = (await ledger.lane(environment, task)).baseSeq
      return (await ledger.forward({ ...place, key: releaseId, policy, leadMs: 0, draft, expectedBase })).entry.seq
    },
    async rollback() {
      const penalties = { hold: false, veto: false }
      const order = { ...place, by: 'bench', reason: 'a benchmark', penalties, releaseId, key: `${releaseId}/rollback` }
      const appended = await ledger.restore(order)
      if (appended === undefined) throw new Error('nothing was taken back')
      return appended.entry.seq
    },
  }
}

/** Every tenant has an override of its own of the task; written as the ledger of tenants writes, but all at once. */
async function seedTenants({ store }: LiveGround, composites: readonly Digest[], count: number): Promise<void> {
  const at = await store.database.now()
  const entry = (number: number): TenantEntry => {
    const composite = composites[2 + (number % overrides)] as Digest
    const override = { base: composites[0] as Digest, pins: { [environment]: { composite, head: 1 } } }
    return {
      tenant: `tenant-${String(number).padStart(6, '0')}`,
      ...{ seq: 1, at, by: 'bench', reason: 'a benchmark', prev: '', hash: '' },
      state: { ring: 'general', contacts: [], tasks: { [task]: { override } } },
    }
  }
  for (let from = 0; from < count; from += insertedAtOnce) {
    const entries = Array.from({ length: Math.min(insertedAtOnce, count - from) }, (_, index) => entry(from + index))
    const rows = (idOf: (one: TenantEntry) => string) => entries.map((one) => ({ _id: idOf(one), ...one }) as never)
    const { database } = store
    await database.collection('tenantEntries').insertMany(
      rows(({ tenant }) => `${tenant}/1`),
      { ordered: false },
    )
    await database.collection('tenants').insertMany(
      rows(({ tenant }) => tenant),
      { ordered: false },
    )
  }
}
