import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ServedComposite } from '../src/domain/composite'
import { connect, type Serving, type Sluice } from '../src/sdk'
import { LastKnownGood } from '../src/sdk/last-known-good'
import { bytesPerCall, type Finding, inTurns, median, ratioText, rounded } from './measure'
import { decode, snapshotOf, wireOf, worlds } from './resolve-world'

/** Few, so that a round is over before a busy machine takes the processor away. */
const reportsPerRound = 100
/** So many requests of each conversation. */
const turns = 4
const rounds = 600
const warmUp = 200
const seed = 20_260_303
/** Where no server answers. */
const nobody = 'http://127.0.0.1:9'
const [world] = worlds

/** What was taken last: held here so that no call can be optimised away. */
export let sink: unknown

/**
 * `report` as an application calls it, against what nobody can do without: the totals of a conversation found by its name
 * and added to, and the record of the request kept. `full`: the server is away, and as much is kept as there may be.
 */
export async function benchReport(): Promise<Finding[]> {
  if (world === undefined) throw new Error('there is no world')
  const cacheDir = await mkdtemp(join(tmpdir(), 'sluice-bench-report-'))
  const server = await receivingServer()
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  for (const at of [url, nobody]) {
    await new LastKnownGood(cacheDir, 'production', at).write({ snapshot: priced(), confirmedAt: Date.now() })
  }
  const open = (at: string) =>
    connect({ url: at, apiKey: 'none', environment: 'production', cacheDir, flushIntervalMs: 3_600_000 })
  const [drained, full] = [await open(url), await open(nobody)]
  try {
    const floor = new Floor()
    const [forDrained, forFull, forFloor] = [servings(drained), servings(full), servings(full)]
    while (full.dropped === 0) timeReport(full, forFull())
    const samples = await inTurns({
      rounds,
      warmUp,
      sides: {
        drained: async () => {
          const taken = forDrained()
          const ns = timeReport(drained, taken)
          for (const serving of taken) drained.close(serving)
          await drained.flush()
          return ns
        },
        full: () => timeReport(full, forFull()),
        floor: () => {
          floor.empty()
          return timeFloor(floor, forFloor())
        },
      },
    })
    const bytes = bytesPerCall(reportsPerRound, () => {
      const taken = forFull()
      return () => void timeReport(full, taken)
    })
    const row = (of: 'drained' | 'full') => ({
      'the server': of === 'drained' ? 'takes the reports, and conversations end' : 'is away, memory at its bound',
      'report ns': rounded(median(samples[of])),
      'floor ns': rounded(median(samples.floor)),
      'report ÷ floor': ratioText(samples[of], samples.floor),
      bytes: of === 'full' ? bytes : '',
    })
    return [
      {
        benchmark: 'report',
        about: 'one report ÷ Map update and record, in turns',
        rows: [row('drained'), row('full')],
      },
    ]
  } finally {
    await Promise.all([drained.shutdown(), full.shutdown()])
    server.close()
    await rm(cacheDir, { recursive: true, force: true })
  }
}

/** The smallest world, with an engine whose prices a report goes by. */
function priced() {
  if (world === undefined) throw new Error('there is no world')
  const snapshot = snapshotOf(world)
  const engine = { endpoint: 'e', model: 'm', pricePerMillion: { input: 2, cachedInput: 1, output: 8 } }
  const roles = { engine: { kind: 'engine', ref: 'engine/e@1.0.0', digest: 'sha256:e' } }
  const composites = Object.entries(snapshot.composites).map(([id, composite]) => [
    id,
    { ...composite, roles, contents: { engine } } as unknown as ServedComposite,
  ])
  return { ...snapshot, composites: Object.fromEntries(composites) }
}

async function receivingServer(): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.url !== '/v1/telemetry') return void response.writeHead(503).end()
    request.resume().on('end', () => response.end('{"accepted":{},"refused":[],"refusedCount":0}'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

/** Other conversations each time, each with a few requests. */
function servings(sluice: Sluice): () => readonly Serving[] {
  let turn = 0
  return () => {
    if (world === undefined) throw new Error('there is no world')
    const asked = decode(wireOf(world, 'bound', reportsPerRound / turns, seed + turn++))
    const found = asked.flatMap(({ task, tenant, conversation, binding }) => {
      const serving = sluice.resolve(task, { tenant, conversation: `${conversation}`, binding })
      return serving.skip === undefined ? [serving] : []
    })
    return Array.from({ length: reportsPerRound }, (_, index) => found[index % found.length] as Serving)
  }
}

function timeReport(sluice: Sluice, taken: readonly Serving[]): number {
  const from = performance.now()
  for (const serving of taken) {
    sink = sluice.report(serving, {
      outcome: 'ok',
      latencyMs: 812,
      inputTokens: 1_200,
      cachedTokens: 400,
      outputTokens: 90,
    })
  }
  return ((performance.now() - from) * 1e6) / taken.length
}

/** The least: a Map of totals by conversation, and a list. */
class Floor {
  private totals = new Map<string, { requests: number; latencyMs: number; tokens: number }>()
  private requests: unknown[] = []

  empty(): void {
    this.totals = new Map()
    this.requests = []
  }

  add({ task, tenant, conversation, seq, arm }: Serving, latencyMs: number, tokens: number): void {
    const key = `${seq}/${arm}/${task}/${tenant}/${conversation}`
    let known = this.totals.get(key)
    if (known === undefined) {
      known = { requests: 0, latencyMs: 0, tokens: 0 }
      this.totals.set(key, known)
    }
    known.requests++
    known.latencyMs += latencyMs
    known.tokens += tokens
    this.requests.push({ task, tenant, conversation, seq, arm, latencyMs, tokens })
  }
}

function timeFloor(floor: Floor, taken: readonly Serving[]): number {
  const from = performance.now()
  for (const serving of taken) floor.add(serving, 812, 1_690)
  return ((performance.now() - from) * 1e6) / taken.length
}
