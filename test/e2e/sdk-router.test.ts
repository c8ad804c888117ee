import { randomUUID } from 'node:crypto'
import type { Digest } from '../../src/domain/version'
import type { RunOptions, Serving, Sluice } from '../../src/sdk'
import { prepareReproduction, runReproduction } from '../../src/store/reproduce'
import { registration } from '../support/contents'
import { type ModelServer, modelServer, type Reply } from '../support/model-server'
import { environment, served, type TrafficGround, task, trafficGround } from '../support/traffic'

const coded: Digest = `sha256:${'c'.repeat(64)}`
const price = (input: number) => ({ input, cachedInput: input, output: input })
const versions: readonly [string, object][] = [
  ...['small', 'large', 'triage'].map((model, place): [string, object] => [
    `engine/${model}@1.0.0`,
    { endpoint: 'simulated', model, pricePerMillion: price(10 ** place), maxAttempts: 1 },
  ]),
  ['prompt/rate@1.0.0', { text: 'Rate {{call}}' }],
  ['prompt/triage@1.0.0', { text: 'Hard for a {{tier}} customer? {{call}}' }],
  ['schema/rating@1.0.0', { type: 'object', properties: { rating: { type: 'number' } }, required: ['rating'] }],
  [
    'tool/find@1.0.0',
    { name: 'find', description: 'Finds.', parameters: { type: 'object', properties: { id: { type: 'string' } } } },
  ],
  [
    'postprocess/tidy@1.0.0',
    {
      steps: [
        { step: 'rename', keys: { rating: 'score' } },
        { step: 'clamp', key: 'score', max: 5 },
      ],
    },
  ],
  ['postprocess/coded@1.0.0', { code: { digest: coded, uri: 's3://code/1' } }],
  [
    'router/two@1.0.0',
    {
      candidates: { small: 'small@1.0.0', large: 'large@1.0.0' },
      rules: [{ when: { attribute: 'language', eq: 'de' }, use: 'large' }],
      classifier: {
        engine: 'triage@1.0.0',
        prompt: 'triage@1.0.0',
        labels: { hard: 'large', easy: 'small' },
        onFailure: 'large',
      },
      default: 'small',
      fallbacks: ['large'],
    },
  ],
]
const roles = {
  prompt: 'rate@1.0.0',
  router: 'two@1.0.0',
  schema: 'rating@1.0.0',
  tool: 'find@1.0.0',
  postprocess: 'tidy@1.0.0',
}

let ground: TrafficGround
let engine: ModelServer
let sluice: Sluice
let composite: Digest
let replies: Record<string, Reply>

beforeAll(async () => {
  ground = await trafficGround()
  for (const [ref, content] of versions) await ground.store.catalog.register(registration(ref, content))
  const server = await ground.serve()
  composite = await settle(roles)
  engine = await modelServer()
  sluice = await ground.connect(server.url, { endpoints: endpoints() })
})
afterAll(async () => {
  await ground.end()
  await engine.stop()
})
beforeEach(() => {
  const names = ['triage', 'small', 'large']
  engine.answer(Object.fromEntries(names.map((name) => [name, () => replies[name] ?? { status: 500 }])))
  replies = {
    triage: { status: 200, content: 'easy' },
    small: { status: 200, content: '{"rating": 4}' },
    large: { status: 200, content: '{"rating": 9}' },
  }
})

const endpoints = () => ({ simulated: { url: engine.url } })

async function settle(of: Readonly<Record<string, string>>): Promise<Digest> {
  const { id } = await ground.store.catalog.commitComposite(of)
  const draft = { cause: 'settle' as const, by: 'test', incumbent: id, exposure: [], salt: randomUUID() }
  const expectedBase = (await ground.ledger.lane(environment, task)).baseSeq
  const place = { environment, task, key: randomUUID() }
  await ground.ledger.forward({ ...place, draft, expectedBase, policy: id, leadMs: 0 })
  return id
}

async function serving(): Promise<Serving> {
  const startedAt = (await ground.store.database.now()) + 1
  const result = sluice.resolve(task, { tenant: 'acme', conversation: randomUUID(), startedAt })
  if (result.skip !== undefined) throw new Error(result.skip)
  return result
}

const run = async (options: RunOptions = {}) => (await serving()).run({ call: 'x', tier: 'gold' }, options)
const logged = async (requestId: string) => {
  await sluice.flush()
  return ground.store.telemetry.requests.find(requestId)
}
const models = () => engine.asked.map(({ model }) => model)

describe('a composite with a router', () => {
  it('goes where a rule says, and the log has the branch and the prices of who answered', async () => {
    const result = await run({ attributes: { language: 'de' } })
    expect(models()).toEqual(['large'])
    expect(result).toMatchObject({
      outcome: 'ok',
      output: { score: 5 },
      branch: { candidate: 'large', by: 'rule', rule: 0 },
    })
    expect(result.costUsd).toBeCloseTo((1_000 * 10) / 1e6, 12)
    expect(await logged(result.requestId)).toMatchObject({
      composite,
      branch: 'rule 0: large',
      model: 'large-1',
      costUsd: result.costUsd,
    })
  })

  it('asks the classifier where no rule holds, with values of its own, and pays it too', async () => {
    const result = await run()
    expect(engine.asked).toMatchObject([
      { model: 'triage', messages: [{ content: 'Hard for a gold customer? x' }] },
      { model: 'small', messages: [{ content: 'Rate x' }] },
    ])
    expect(engine.asked.map(({ tools }) => tools !== undefined)).toEqual([false, true])
    expect(result).toMatchObject({ output: { score: 4 }, branch: { by: 'label', label: 'easy' }, inputTokens: 2_000 })
    expect(result.costUsd).toBeCloseTo((1_000 * (100 + 1)) / 1e6, 12)
    expect(await logged(result.requestId)).toMatchObject({ branch: 'label easy: small', costUsd: result.costUsd })
  })

  it('goes on where its classifier fails, and to a fallback where the candidate does', async () => {
    replies = { ...replies, triage: { status: 500 } }
    expect(await run()).toMatchObject({ outcome: 'ok', branch: { candidate: 'large', by: 'classifier_failed' } })
    replies = { ...replies, triage: { status: 200, content: 'easy' }, small: { status: 503 } }
    engine.forget()
    const result = await run()
    expect(models()).toEqual(['triage', 'small', 'large'])
    expect(await logged(result.requestId)).toMatchObject({ branch: 'label easy: large, fallback 0', model: 'large-1' })
  })

  it('reports an error with its branch and what the classifier cost where nobody answers', async () => {
    replies = { triage: { status: 200, content: 'hard' } }
    const requestId = randomUUID()
    await expect(run({ requestId })).rejects.toMatchObject({ code: 'engine_failed' })
    expect(await logged(requestId)).toMatchObject({
      outcome: 'error',
      branch: 'label hard: large',
      inputTokens: 1_000,
      costUsd: (1_000 * 100) / 1e6,
    })
  })

  it('does not ask another engine what one has refused', async () => {
    replies = { ...replies, small: { status: 400 } }
    await expect(run()).rejects.toMatchObject({ code: 'engine_failed' })
    expect(models()).toEqual(['triage', 'small'])
  })

  it('refuses values before anybody is asked', async () => {
    const only = (await serving()).run({ call: 'x' })
    await expect(only).rejects.toMatchObject({ code: 'prompt_variables', message: expect.stringContaining('tier') })
    expect(engine.asked).toEqual([])
  })

  it('needs the branch or the cost where the application makes the call itself', async () => {
    const own = await serving()
    const dropped = sluice.dropped
    expect(sluice.report(own, { outcome: 'ok', latencyMs: 1, inputTokens: 1_000 })).toBe(false)
    expect(sluice.dropped).toBe(dropped + 1)
    const requestId = randomUUID()
    const branch = { candidate: 'large', by: 'default' } as const
    expect(sluice.report(own, { requestId, outcome: 'ok', latencyMs: 1, inputTokens: 1_000, branch })).toBe(true)
    expect(await logged(requestId)).toMatchObject({ costUsd: (1_000 * 10) / 1e6, branch: 'default: large' })
  })
})

describe('a routed request', () => {
  it('is reproduced on the candidate that the log names, with tools and post-processing', async () => {
    const { requestId } = await run({ attributes: { language: 'de' } })
    expect(await logged(requestId)).toMatchObject({ branch: 'rule 0: large' })
    engine.forget()
    const order = { id: randomUUID(), requestId, by: 'ann', repeats: 2, alpha: 0.05, budgetUsd: 1 }
    const given = { input: { call: 'x', tier: 'gold' }, output: { score: 5 } }
    const prepared = await prepareReproduction(ground.store, endpoints(), { ...order, given })
    const result = await runReproduction(ground.store, prepared)
    expect(engine.asked.map(({ model, tools }) => [model, tools !== undefined])).toEqual([
      ['large', true],
      ['large', true],
    ])
    expect(result).toMatchObject({
      validRepeats: 2,
      provider: { same: 'same', seen: [{ model: 'large-1', candidate: 'large', repeats: 2 }] },
    })
  })
})

describe('tools', () => {
  const call = (id: string) => ({ id: 'c1', type: 'function', function: { name: 'find', arguments: id } })

  it('are called before there is an answer; the next round stays with the engine that asked', async () => {
    replies = { ...replies, large: { status: 200, tool: call('{"id":"X1"}') } }
    const first = await run({ attributes: { language: 'de' } })
    expect(first).toMatchObject({ outcome: 'ok', output: undefined, toolCalls: [{ id: 'c1', name: 'find' }] })
    replies = { ...replies, large: { status: 200, content: '{"rating": 2}' } }
    engine.forget()
    const turns = [{ calls: first.toolCalls, results: { c1: 'a booking' } }]
    const second = await run({ turns, branch: first.branch })
    expect(engine.asked).toMatchObject([
      { model: 'large', messages: [{ role: 'user' }, { role: 'assistant' }, { role: 'tool', content: 'a booking' }] },
    ])
    expect(second).toMatchObject({ outcome: 'ok', output: { score: 2 }, toolCalls: [] })
    expect(await logged(second.requestId)).toMatchObject({ branch: 'rule 0: large' })
  })

  it('are a failure of the schema where the arguments do not fit', async () => {
    replies = { ...replies, small: { status: 200, tool: call('{"id":7}') } }
    expect(await run()).toMatchObject({ outcome: 'schema_failure', mismatches: [{ path: '/tools/0/id' }] })
  })

  it('have a bound on their rounds', async () => {
    const turns = Array.from({ length: 33 }, () => ({ calls: [], results: {} }))
    await expect(run({ turns })).rejects.toMatchObject({ code: 'invalid_request' })
    expect(engine.asked).toEqual([])
  })
})

describe('post-processing by code', () => {
  it('is refused before anybody is paid where the code is not here', async () => {
    const seq = sluice.heads[task] ?? 0
    await settle({ ...roles, postprocess: 'coded@1.0.0' })
    await served(sluice, seq + 1)
    await expect(run()).rejects.toMatchObject({ code: 'invalid_config', details: { digest: coded } })
    expect(engine.asked).toEqual([])
  })
})
