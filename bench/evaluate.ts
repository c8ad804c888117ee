import { fork } from 'node:child_process'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { policyKind } from '../src/kinds/policy'
import type { Evaluated, EvaluateOrder } from './evaluate-order'
import { liveGround } from './live-lane'
import { type Finding, type Row, rounded } from './measure'

interface Load {
  readonly cases: number
  readonly concurrency: number
}

const latencyMs = 200
const loads: readonly Load[] = [
  { cases: 200, concurrency: 8 },
  { cases: 10_000, concurrency: 32 },
]
/** Of an input, and of an output. */
const textBytes = 4_096
const maxBareCalls = 1_600
const heapMegabytes = 96

/**
 * One whole evaluation, from its order to its verdict, against what the concurrency limit and the engine's latency allow:
 * cases ÷ concurrency × latency. A bare loop of `fetch`, as many at a time, tells how near this machine comes to that at
 * all. Each load runs in a process of its own with a small heap; its peak memory is told.
 */
export async function benchEvaluate(mongodbUri: string): Promise<Finding[]> {
  const engine = await startFixedEngine()
  const ground = await liveGround(mongodbUri)
  const { catalog, database } = ground.store
  const register = async (kind: 'dataset' | 'suite' | 'policy' | 'prompt' | 'engine', name: string, content: unknown) =>
    (await catalog.register({ kind, name, semver: '1.0.0', content, author: 'bench', description: 'a benchmark' }))
      .version.digest
  try {
    const policy = await register('policy', 'bench', policyKind.schema.parse({}))
    await register('prompt', 'bench', { text: 'Read this: {{text}}' })
    await register('engine', 'bench', engineContent)
    const { id: candidate } = await catalog.commitComposite({ prompt: 'bench@1.0.0', engine: 'bench@1.0.0' })
    const rows: Row[] = []
    for (const { cases, concurrency } of loads) {
      const name = `cases-${cases}`
      // Every load has texts of its own: what one suite was answered costs another one no call.
      await register('dataset', name, { rows: Array.from({ length: cases }, (_, place) => caseOf(cases, place)) })
      const suite = await register('suite', name, { ...suiteContent, dataset: `${name}@1.0.0` })
      const place = { mongodbUri, database: database.db.databaseName, url: engine.url }
      const bareCalls = Math.min(cases, maxBareCalls)
      const bare = { bareCalls, bodyBytes: textBytes }
      const order = { ...place, ...bare, concurrency, candidate, suite, policy, evaluationId: name }
      const { seconds, bareSeconds, peakMegabytes, calls, verdict } = await evaluateApart(order)
      if (calls !== cases || verdict !== 'pass') throw new Error(`${calls} calls of ${cases}, verdict ${verdict}`)
      const floorOf = (count: number) => (Math.ceil(count / concurrency) * latencyMs) / 1_000
      const floor = floorOf(cases)
      rows.push({
        cases,
        'calls at a time': concurrency,
        'engine ms': latencyMs,
        'floor s': rounded(floor),
        'evaluation s': rounded(seconds),
        'floor ÷ evaluation': rounded(floor / seconds),
        'floor ÷ bare loop': rounded(floorOf(bareCalls) / bareSeconds),
        'peak MB': Math.round(peakMegabytes),
      })
    }
    return [
      {
        benchmark: 'evaluate',
        about: 'an evaluation ÷ what concurrency and latency allow; peak memory of its process',
        rows,
      },
    ]
  } finally {
    await ground.end()
    await engine.stop()
  }
}

const engineContent = {
  endpoint: 'fixed',
  provider: 'openai-compatible',
  model: 'fixed-1',
  parameters: { temperature: 0, maxOutputTokens: 100 },
  timeoutMs: 20_000,
  maxAttempts: 2,
  pricePerMillion: { input: 0.01, cachedInput: 0.01, output: 0.01 },
}
const suiteContent = {
  scorers: [{ name: 'says-ok', scorer: 'regex', options: { pattern: '^ok' } }],
  primary: 'says-ok',
  thresholds: { minAccuracy: 0.5 },
}

const caseOf = (cases: number, place: number) => ({
  id: `case-${place}`,
  group: `group-${place % 50}`,
  input: { text: `${cases} ${place} ${'word '.repeat(textBytes / 5)}` },
  expected: {},
})

interface FixedEngine {
  readonly url: string
  stop(): Promise<void>
}

/** Answers every call after exactly the same time, however many come at once. */
async function startFixedEngine(): Promise<FixedEngine> {
  const answer = JSON.stringify({
    model: 'fixed-1',
    choices: [{ finish_reason: 'stop', message: { content: `ok ${'.'.repeat(textBytes)}` } }],
    usage: { prompt_tokens: 1_000, completion_tokens: 100 },
  })
  const server: Server = createServer((request, response) => {
    request.resume()
    setTimeout(() => response.writeHead(200, { 'content-type': 'application/json' }).end(answer), latencyMs)
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function evaluateApart(order: EvaluateOrder): Promise<Evaluated> {
  // A small heap: peak memory then tells what is needed, not what the collector had left lying.
  const options = { execArgv: [`--max-old-space-size=${heapMegabytes}`] }
  const child = fork(require.resolve('./evaluate-apart'), [JSON.stringify(order)], options)
  return new Promise((resolve, reject) => {
    child.once('message', (found) => resolve(found as Evaluated))
    child.once('exit', (code) => reject(new Error(`the evaluating process ended with ${code} before it answered`)))
  })
}
