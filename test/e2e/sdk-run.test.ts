import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CompiledSnapshot } from '../../src/domain/compiled-snapshot'
import type { Serving, Sluice } from '../../src/sdk'
import { environment, type TestServer, type TrafficGround, task, trafficGround } from '../support/traffic'
import { until } from '../support/until'

let ground: TrafficGround
let server: TestServer
let engine: Server
let sluice: Sluice
/** What the engine, a third party over HTTP, answers next. */
let answer: { status: number; content: string }
let asked: unknown[]

beforeAll(async () => {
  ground = await trafficGround()
  server = await ground.serve()
  await ground.settle(0)
  await ground.step({ incumbent: 0, candidate: 1, basisPoints: 10_000, watches: { outputs: [{ field: 'csat' }] } })
  engine = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      asked.push(JSON.parse(body))
      const usage = { prompt_tokens: 1_000, completion_tokens: 100, prompt_tokens_details: { cached_tokens: 400 } }
      const choices = [{ finish_reason: 'stop', message: { content: answer.content } }]
      response.writeHead(answer.status, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ model: 'sim-1-0613', system_fingerprint: 'fp-7', choices, usage }))
    })
  })
  await new Promise<void>((resolve) => engine.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(engine.address() as AddressInfo).port}/v1`
  sluice = await ground.connect(server.url, { endpoints: { simulated: { url } } })
})
afterAll(async () => {
  await ground.end()
  engine.closeAllConnections()
  await new Promise((resolve) => engine.close(resolve))
})
beforeEach(() => {
  asked = []
})

async function serving(conversation: string): Promise<Serving> {
  const startedAt = (await ground.store.database.now()) + 1
  const result = sluice.resolve(task, { tenant: 'acme', conversation, startedAt })
  if (result.skip !== undefined) throw new Error(result.skip)
  return result
}

const logged = async (requestId: string) => {
  await sluice.flush()
  return ground.store.telemetry.requests.find(requestId)
}

describe('run', () => {
  it('calls the pinned engine with the rendered prompt, validates, computes the cost and reports by itself', async () => {
    answer = { status: 200, content: '{"csat": 4}' }
    const result = await (await serving('c-1')).run({ transcript: 'thanks' })
    expect(asked).toMatchObject([{ model: 'sim-1', messages: [{ role: 'user', content: 'Score 1: thanks' }] }])
    expect(result).toMatchObject({ outcome: 'ok', output: { csat: 4 }, mismatches: [], inputTokens: 1_000 })
    expect(result.costUsd).toBeCloseTo((600 * 2 + 400 * 1 + 100 * 8) / 1e6, 12)
    expect(await logged(result.requestId)).toMatchObject({
      outcome: 'ok',
      arm: 'candidate',
      model: 'sim-1-0613',
      fingerprint: 'fp-7',
      costUsd: result.costUsd,
      uncachedCostUsd: (1_000 * 2 + 100 * 8) / 1e6,
    })
  })

  it.each([
    ['is no JSON', 'I think it was fine', ''],
    ['does not fit the schema', '{"csat": "four"}', '/csat'],
  ])('reports an output that %s', async (_, content, path) => {
    answer = { status: 200, content }
    const result = await sluice.run(await serving('c-2'), { transcript: 'x' })
    expect(result).toMatchObject({ outcome: 'schema_failure', text: content, mismatches: [{ path }] })
    expect(await logged(result.requestId)).toMatchObject({ outcome: 'schema_failure' })
  })

  it('copies the whole snapshot at no request', async () => {
    answer = { status: 200, content: '{"csat": 4}' }
    const own = await serving('c-6')
    const copied = jest.spyOn(CompiledSnapshot.prototype, 'snapshot', 'get')
    await own.run({ transcript: 'x' })
    await sluice.flush()
    expect(copied).not.toHaveBeenCalled()
    copied.mockRestore()
  })

  it('tells what the output shows of the fields that the entry watches', async () => {
    answer = { status: 200, content: '{"csat": 3}' }
    const own = await serving('c-5')
    await own.run({ transcript: 'x' })
    await sluice.flush()
    const rows = ground.store.database.collection<{ tested?: { number_0_n?: number } }>('strata')
    await until('the number is counted', async () =>
      (await rows.find({ task, environment }).toArray()).some(({ tested }) => (tested?.number_0_n ?? 0) > 0),
    )
  })

  it('reports a failing engine as an error and throws', async () => {
    answer = { status: 500, content: '' }
    const run = (await serving('c-3')).run({ transcript: 'x' }, { requestId: 'failed-1' })
    await expect(run).rejects.toMatchObject({ code: 'engine_failed' })
    expect(await logged('failed-1')).toMatchObject({ outcome: 'error' })
    const composite = await ground.composite(1)
    const window = { environment, task, composite, windowMs: 60_000 }
    expect((await ground.store.telemetry.read.window({ ...window, events: ['error'] })).errors).toBe(1)
  })

  it('reports nothing where the values do not fit the prompt', async () => {
    await expect((await serving('c-4')).run({}, { requestId: 'unfit-1' })).rejects.toMatchObject({
      code: 'prompt_variables',
    })
    expect(asked).toEqual([])
    expect(await logged('unfit-1')).toBeUndefined()
  })
})
