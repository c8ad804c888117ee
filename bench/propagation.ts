import { type ClientSide, type Delivered, deliveryGround } from './delivery-ground'
import { type Finding, median, type Row, rounded } from './measure'

interface Scene {
  readonly tenants: number
  readonly clients: readonly ClientSide[]
  readonly rounds: number
}

const rounds = 50
const warmUp = 5
const many = 100_000
const mixed = [
  { side: 'streams', count: 499 },
  { side: 'streams', count: 499 },
  { side: 'applications', count: 2 },
] as const
const scenes: readonly Scene[] = [
  { tenants: 1, clients: mixed, rounds },
  { tenants: many, clients: mixed, rounds },
]

/** A rollback on its way to the last of 1,000 clients, each with a connection of its own. */
export async function benchPropagation(mongodbUri: string): Promise<Finding[]> {
  const rows: Row[] = []
  for (const scene of scenes) rows.push(await propagationRow(mongodbUri, scene))
  const about = 'ms from the order of a rollback to the clients that serve by it; each tenant overrides the task'
  return [{ benchmark: 'propagation', about, rows }]
}

async function propagationRow(mongodbUri: string, scene: Scene): Promise<Row> {
  const ground = await deliveryGround(mongodbUri, scene.tenants)
  try {
    await ground.clients(scene.clients)
    const taken: Delivered[] = []
    for (let round = 0; round < warmUp + scene.rounds; round++) {
      await ground.forward()
      const delivered = await ground.rollback()
      if (round >= warmUp) taken.push(delivered)
    }
    const last = taken.map(({ askedAt, times }) => Math.max(...times) - askedAt)
    const behindCommit = taken.map(({ committedAt, times }) => Math.max(0, Math.max(...times) - committedAt))
    const each = taken.flatMap(({ askedAt, times }) => times.map((time) => time - askedAt))
    return {
      tenants: scene.tenants,
      clients: namesOf(scene.clients),
      'commit p50': rounded(median(taken.map(({ askedAt, committedAt }) => committedAt - askedAt))),
      'any client p50': rounded(median(each)),
      'any client p99': rounded(quantile(each, 0.99)),
      'last client p50': rounded(median(last)),
      'last client p99': rounded(quantile(last, 0.99)),
      'last client behind the commit p99': rounded(quantile(behindCommit, 0.99)),
    }
  } finally {
    await ground.end()
  }
}

function namesOf(clients: readonly ClientSide[]): string {
  const count = (side: ClientSide['side']) =>
    clients.filter((one) => one.side === side).reduce((sum, one) => sum + one.count, 0)
  return (['streams', 'applications'] as const)
    .flatMap((side) => (count(side) > 0 ? [`${count(side)} ${side}`] : []))
    .join(', ')
}

const quantile = (values: readonly number[], share: number): number =>
  [...values].sort((left, right) => left - right)[Math.ceil(share * values.length) - 1] ?? Number.NaN

const connections = 3_000
const changes = 10

/** What a server needs for many applications, and how long a change takes to the last of them. */
export async function benchConnections(mongodbUri: string): Promise<Finding[]> {
  const ground = await deliveryGround(mongodbUri, 1)
  try {
    await ground.clients([{ side: 'streams', count: 1 }])
    await ground.forward()
    const before = await ground.serverMemory()
    const from = performance.now()
    await ground.clients([
      { side: 'streams', count: connections / 2 },
      { side: 'streams', count: connections / 2 },
    ])
    const openMs = performance.now() - from
    const last: number[] = []
    for (let change = 0; change < changes; change++) {
      for (const delivered of [await ground.rollback(), await ground.forward()]) {
        last.push(Math.max(...delivered.times) - delivered.askedAt)
      }
    }
    const after = await ground.serverMemory()
    const [memory, known] = [after.memoryMb ?? 0, before.memoryMb ?? 0]
    const row = {
      connections: connections + 1,
      'opened in s': rounded(openMs / 1_000),
      'server MB with one': known,
      'server MB with all': memory,
      'KB a connection': rounded(((memory - known) * 1_024) / connections),
      'last client p50 ms': rounded(median(last)),
      'last client most ms': rounded(Math.max(...last)),
    }
    return [{ benchmark: 'connections', about: 'one server, one process, a stream for each application', rows: [row] }]
  } finally {
    await ground.end()
  }
}
