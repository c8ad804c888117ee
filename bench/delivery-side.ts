import { createParser } from 'eventsource-parser'
import { buildServer } from '../src/api/server'
import { changedLane, type LaneView, type SnapshotDelta } from '../src/domain/snapshot'
import { assertNever } from '../src/errors'
import { connect } from '../src/sdk'
import { openStore } from '../src/store/store'

/** What a process of its own is asked to be. */
export type DeliveryTask =
  | { readonly side: 'server'; readonly mongodbUri: string; readonly database: string }
  | {
      /** `applications`: each with the SDK and all it holds; `streams`: the same events, read and followed by their lane. */
      readonly side: 'applications' | 'streams'
      readonly url: string
      readonly apiKey: string
      readonly environment: string
      readonly task: string
      readonly count: number
    }
  | { readonly side: 'memory' }

export interface DeliveryReport {
  readonly url?: string
  readonly memoryMb?: number
  readonly heapMb?: number
  /** Every client of this process serves by this entry; when each did, ms since the epoch. */
  readonly seq?: number
  readonly times?: readonly number[]
}

type Clients = Extract<DeliveryTask, { readonly count: number }>

const atOnce = 25
const connectTimeoutMs = 60_000
const mb = 1024 * 1024

const tell = (report: DeliveryReport): void => void process.send?.(report)

process.on('message', (task: DeliveryTask) => {
  run(task).catch((error: unknown) => {
    process.stderr.write(`${(error as Error).stack}\n`)
    process.exit(1)
  })
})
process.on('disconnect', () => process.exit(0))

async function run(task: DeliveryTask): Promise<void> {
  switch (task.side) {
    case 'server': {
      const store = await openStore(task.mongodbUri, task.database)
      const app = buildServer({ store } as Parameters<typeof buildServer>[0])
      tell({ url: await app.listen({ port: 0, host: '127.0.0.1' }) })
      return
    }
    case 'memory': {
      const { rss, heapUsed } = process.memoryUsage()
      tell({ memoryMb: Math.round(rss / mb), heapMb: Math.round(heapUsed / mb) })
      return
    }
    case 'applications':
    case 'streams': {
      // Each client waits for the end of the process, to flush.
      process.setMaxListeners(task.count + 10)
      const arrivals = new Arrivals(task.count)
      const start = task.side === 'applications' ? application : stream
      let left = task.count
      const lane = async () => {
        while (left-- > 0) await start(task, (seq) => arrivals.add(seq))
      }
      await Promise.all(Array.from({ length: atOnce }, lane))
      tell({})
      return
    }
    default:
      return assertNever(task)
  }
}

/** Tells the parent once the last client has an entry. */
class Arrivals {
  private readonly times = new Map<number, number[]>()
  private readonly clients: number

  constructor(clients: number) {
    this.clients = clients
  }

  add(seq: number): void {
    const times = this.times.get(seq) ?? []
    this.times.set(seq, times)
    if (times.push(Date.now()) < this.clients) return
    this.times.delete(seq)
    tell({ seq, times })
  }
}

async function application({ url, apiKey, environment, task }: Clients, served: (seq: number) => void): Promise<void> {
  const sluice = await connect({ url, apiKey, environment, connectTimeoutMs })
  let last = sluice.heads[task] ?? 0
  sluice.on('change', () => {
    const head = sluice.heads[task] ?? 0
    while (last < head) served(++last)
  })
}

async function stream({ url, apiKey, environment, task }: Clients, served: (seq: number) => void): Promise<void> {
  const headers = { authorization: `Bearer ${apiKey}` }
  const response = await fetch(`${url}/v1/snapshot/events?environment=${environment}`, { headers })
  await new Promise<void>((resolve, reject) => {
    let view: LaneView | undefined
    let last = 0
    const parser = createParser({
      onEvent({ event, data }) {
        if (event === 'hello') return resolve()
        const { lanes } = JSON.parse(data) as SnapshotDelta
        view = changedLane(view, lanes[task] ?? null)
        const head = view?.entries.at(-1)?.seq ?? 0
        if (last === 0) last = head - 1
        while (last < head) served(++last)
      },
    })
    const decoder = new TextDecoder()
    const read = async () => {
      for await (const bytes of response.body ?? []) parser.feed(decoder.decode(bytes, { stream: true }))
      throw new Error('a stream ended')
    }
    read().catch(reject)
  })
}
