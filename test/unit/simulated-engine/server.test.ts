import OpenAI from 'openai'
import type { Fault } from '../../../examples/engine/faults'
import { type SimulatedEngine, startSimulatedEngine } from '../../../examples/engine/server'
import { airlineCases } from '../../support/airline'
import { airlinePrompts, airlineRequest } from '../../support/simulated-request'

let engine: SimulatedEngine
beforeAll(async () => {
  engine = await startSimulatedEngine({ latencyScale: 0, promptCache: true })
})
afterAll(() => engine.stop())

const client = () => new OpenAI({ baseURL: engine.url, apiKey: 'unused', maxRetries: 0 })

async function request(index = 0): Promise<OpenAI.ChatCompletionCreateParamsNonStreaming> {
  const prompt = (await airlinePrompts()).get('1.1.0')
  const one = airlineCases()[index]
  if (!prompt || !one) throw new Error('the example workspace is incomplete')
  return airlineRequest(prompt, one.input.transcript) as OpenAI.ChatCompletionCreateParamsNonStreaming
}

const put = (faults: unknown) =>
  fetch(new URL('/admin/faults', engine.url), { method: 'PUT', body: JSON.stringify(faults) })

describe('the simulated engine over HTTP', () => {
  afterEach(() => engine.setFaults([]))

  it('speaks to the official client, and counts its requests', async () => {
    const before = engine.requests()
    const answer = await client().chat.completions.create(await request(1))
    expect(Object.keys(JSON.parse(answer.choices[0]?.message.content ?? ''))).toEqual([
      'resolved',
      'csat',
      'reason',
      'transferred',
      'summary',
    ])
    expect(answer).toMatchObject({ model: 'sim-small-1', system_fingerprint: 'fp_small_1' })
    expect(answer.usage?.total_tokens).toBe((answer.usage?.prompt_tokens ?? 0) + (answer.usage?.completion_tokens ?? 0))
    expect(engine.requests()).toBe(before + 1)
    const models = await client().models.list()
    expect(models.data.map(({ id }) => id)).toEqual(['sim-small-1', 'sim-large-1'])
  })

  it('bills a repeated beginning as cached when asked to', async () => {
    const first = await client().chat.completions.create(await request(2))
    const again = await client().chat.completions.create(await request(2))
    expect(first.usage?.prompt_tokens_details?.cached_tokens).toBe(0)
    expect(again.usage?.prompt_tokens_details?.cached_tokens).toBeGreaterThanOrEqual(1024)
    expect(again.usage?.prompt_tokens_details?.cached_tokens).toBeLessThanOrEqual(again.usage?.prompt_tokens ?? 0)
  })

  it('refuses what is no request, an unknown model and an unknown path', async () => {
    const broken = await fetch(`${engine.url}/chat/completions`, { method: 'POST', body: '{' })
    expect(broken.status).toBe(400)
    await expect(client().chat.completions.create({ ...(await request()), model: 'gpt' })).rejects.toMatchObject({
      status: 404,
    })
    expect((await fetch(`${engine.url}/embeddings`)).status).toBe(404)
  })

  it.each<[Fault['kind'], number]>([
    ['rate_limit', 429],
    ['server_error', 500],
  ])('is told to fail with %s for some tries', async (kind, status) => {
    expect((await put([{ kind, share: 1, times: 2, retryAfterSeconds: 3 }])).status).toBe(200)
    const asked = await request(3)
    for (const _ of [1, 2]) {
      await expect(client().chat.completions.create(asked)).rejects.toMatchObject({ status })
    }
    await expect(client().chat.completions.create(asked)).resolves.toMatchObject({ object: 'chat.completion' })
  })

  it('is told to give malformed, verbose and drifted answers', async () => {
    const plain = await client().chat.completions.create(await request(4))
    engine.setFaults([{ kind: 'malformed', share: 1 }])
    const malformed = await client().chat.completions.create(await request(4))
    expect(() => JSON.parse(malformed.choices[0]?.message.content ?? '')).toThrow()
    engine.setFaults([
      { kind: 'verbose', share: 1 },
      { kind: 'drift', share: 1 },
    ])
    const verbose = await client().chat.completions.create(await request(4))
    expect(JSON.parse(verbose.choices[0]?.message.content ?? '')).toEqual(
      JSON.parse(plain.choices[0]?.message.content ?? ''),
    )
    expect(verbose.usage?.completion_tokens).toBeGreaterThanOrEqual(1000 + (plain.usage?.completion_tokens ?? 0))
    expect(verbose.system_fingerprint).not.toBe(plain.system_fingerprint)
  })

  it('hits a share of the requests, the same ones again', async () => {
    engine.setFaults([{ kind: 'server_error', share: 0.5 }])
    const statuses = async () =>
      Promise.all(
        [...Array(20).keys()].map(async (index) =>
          client()
            .chat.completions.create(await request(index))
            .then(() => 200)
            .catch((error: { status: number }) => error.status),
        ),
      )
    const first = await statuses()
    expect(new Set(first)).toEqual(new Set([200, 500]))
    expect(await statuses()).toEqual(first)
  })

  it('never answers on time_out, and refuses faults that it does not know', async () => {
    engine.setFaults([{ kind: 'time_out', share: 1 }])
    const impatient = client().chat.completions.create(await request(5), { timeout: 100 })
    await expect(impatient).rejects.toThrow(OpenAI.APIConnectionError)
    expect((await put([{ kind: 'fire', share: 1 }])).status).toBe(400)
    expect((await put([{ kind: 'drift', share: 2 }])).status).toBe(400)
  })
})
