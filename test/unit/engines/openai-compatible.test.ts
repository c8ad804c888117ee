import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { EngineContent } from '../../../src/domain/contents'
import { callEngine, endpointOf } from '../../../src/engines'
import type { EngineCall } from '../../../src/engines/engine'

const engine: EngineContent = {
  endpoint: 'local',
  provider: 'openai-compatible',
  model: 'm-1',
  parameters: { temperature: 0.5, topP: 0.9, maxOutputTokens: 50, stop: ['END'] },
  timeoutMs: 60_000,
  maxAttempts: 3,
  pricePerMillion: { input: 2, cachedInput: 0.5, output: 8 },
  seed: 11,
}

const completion = {
  model: 'm-1-2024',
  system_fingerprint: 'fp_1',
  choices: [{ finish_reason: 'stop', message: { content: 'hello' } }],
  usage: { prompt_tokens: 1000, completion_tokens: 100, prompt_tokens_details: { cached_tokens: 400 } },
}

type Handler = (request: IncomingMessage, response: ServerResponse, call: number) => void

let server: Server
let handler: Handler
let calls: number
let url: string

beforeAll(async () => {
  server = createServer((request, response) => {
    calls += 1
    handler(request, response, calls)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
})
beforeEach(() => {
  calls = 0
  handler = (_, response) => answer(response, 200, completion)
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

function answer(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body))
}

const call = (change: Partial<EngineContent> = {}, rest: Partial<EngineCall> = {}) =>
  callEngine({
    engine: { ...engine, ...change },
    endpoint: { url, apiKey: 'secret' },
    messages: [{ role: 'user', content: 'hi' }],
    ...rest,
  })

describe('calling an OpenAI-compatible engine', () => {
  it.each([
    ['numbers written as text', { prompt_tokens: '1000', completion_tokens: '100' }, [1000, 0, 100]],
    ['counts below zero', { prompt_tokens: -5, completion_tokens: 100 }, [0, 0, 100]],
    [
      'cached tokens below zero',
      { ...completion.usage, prompt_tokens_details: { cached_tokens: -10 } },
      [1000, 0, 100],
    ],
    ['what is no number', { prompt_tokens: { a: 1 }, completion_tokens: '1e3' }, [0, 0, 0]],
    ['none', null, [0, 0, 0]],
  ])('takes of a usage nothing but counts: %s', async (_, usage, [inputTokens = 0, cachedTokens, outputTokens = 0]) => {
    handler = (_request, response) => answer(response, 200, { ...completion, usage })
    const given = await call()
    expect(given).toMatchObject({ inputTokens, cachedTokens, outputTokens })
    expect(given.costUsd).toBeCloseTo((inputTokens * 2 + outputTokens * 8) / 1e6, 12)
  })

  it.each(['length', 'content_filter', 'stop'])(
    'takes a message without content for an answer without words, which is billed: %s',
    async (reason) => {
      const choices = [{ finish_reason: reason, message: { content: null } }]
      handler = (_, response) => answer(response, 200, { ...completion, choices })
      const given = await call()
      expect(given).toMatchObject({ text: '', truncated: reason === 'length', outputTokens: 100 })
      expect(given.costUsd).toBeGreaterThan(0)
      expect(calls).toBe(1)
    },
  )

  it('sends the pinned parameters and reads text, tokens, cost, model and fingerprint', async () => {
    let sent: unknown
    let key: string | undefined
    handler = (request, response) => {
      key = request.headers.authorization
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        sent = JSON.parse(Buffer.concat(chunks).toString())
        answer(response, 200, completion)
      })
    }
    const given = await call()
    expect(key).toBe('Bearer secret')
    expect(sent).toEqual({
      model: 'm-1',
      messages: [{ role: 'user', content: 'hi' }],
      temperature: 0.5,
      top_p: 0.9,
      max_tokens: 50,
      stop: ['END'],
      seed: 11,
    })
    expect(given).toMatchObject({
      text: 'hello',
      truncated: false,
      inputTokens: 1000,
      cachedTokens: 400,
      outputTokens: 100,
      model: 'm-1-2024',
      fingerprint: 'fp_1',
      attempts: 1,
    })
    expect(given.costUsd).toBeCloseTo((600 * 2 + 400 * 0.5 + 100 * 8) / 1e6, 12)
    expect(given.uncachedCostUsd).toBeCloseTo((1000 * 2 + 100 * 8) / 1e6, 12)
    expect(given.latencyMs).toBeGreaterThan(0)
  })

  it.each(['', '/', '//'])('calls the endpoint whose URL ends with "%s"', async (end) => {
    let path: string | undefined
    handler = (request, response) => {
      path = request.url
      answer(response, 200, completion)
    }
    await call({}, { endpoint: { url: url + end } })
    expect(path).toBe('/v1/chat/completions')
  })

  it('offers tools, tells what came of earlier calls, and reads what the engine asks for', async () => {
    let sent: { messages?: unknown; tools?: unknown } = {}
    const asked = { id: 'call_1', type: 'function', function: { name: 'find', arguments: '{"locator":"X1"}' } }
    const unreadable = [null, { id: 7 }, { id: 'x', type: 'custom', custom: { name: 'free' } }]
    handler = async (request, response) => {
      sent = JSON.parse(await text(request))
      const message = { content: null, tool_calls: [asked, ...unreadable] }
      answer(response, 200, { ...completion, choices: [{ finish_reason: 'tool_calls', message }] })
    }
    const tool = { name: 'find', description: 'Finds.', parameters: { type: 'object' } }
    const earlier = { id: 'call_0', name: 'find', arguments: '{}' }
    const given = await call({}, { tools: [tool], turns: [{ calls: [earlier], results: { call_0: 'nothing' } }] })
    expect(given).toMatchObject({
      text: '',
      toolCalls: [{ id: 'call_1', name: 'find', arguments: '{"locator":"X1"}' }],
    })
    expect(given.toolCalls).toHaveLength(1)
    expect(sent.tools).toEqual([{ type: 'function', function: tool }])
    const before = { id: 'call_0', type: 'function', function: { name: 'find', arguments: '{}' } }
    expect(sent.messages).toEqual([
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: null, tool_calls: [before] },
      { role: 'tool', tool_call_id: 'call_0', content: 'nothing' },
    ])
  })

  it.each([
    [429, true],
    [500, true],
    [400, false],
  ])('says of a failure with %d whether another engine may fare better: %s', async (status, retryable) => {
    handler = (_, response) => answer(response, status, 'no')
    await expect(call({ maxAttempts: 1 })).rejects.toMatchObject({ code: 'engine_failed', details: { retryable } })
  })

  it.each([429, 500, 503])('tries again after %d, as long as the provider asks it to', async (status) => {
    handler = (_, response, count) =>
      count < 3 ? answer(response, status, 'busy', { 'retry-after': '0' }) : answer(response, 200, completion)
    await expect(call()).resolves.toMatchObject({ text: 'hello', attempts: 3 })
    expect(calls).toBe(3)
  })

  it('gives up after the pinned number of tries and says why', async () => {
    handler = (_, response) => answer(response, 500, 'broken', { 'retry-after': '0' })
    await expect(call({ maxAttempts: 2 })).rejects.toMatchObject({
      code: 'engine_failed',
      details: { cause: 'server_error', status: 500, attempts: 2, model: 'm-1' },
    })
    expect(calls).toBe(2)
  })

  it('does not wait for a provider that asks for longer than is reasonable', async () => {
    handler = (_, response) => answer(response, 429, 'tomorrow', { 'retry-after': '86400' })
    await expect(call()).rejects.toMatchObject({ details: { cause: 'rate_limited', attempts: 1 } })
  })

  it('does not repeat what the provider refuses, nor what it cannot read', async () => {
    handler = (_, response) => answer(response, 401, 'no')
    await expect(call()).rejects.toMatchObject({ details: { cause: 'refused', status: 401, attempts: 1 } })
    handler = (_, response) => answer(response, 200, '<html>')
    await expect(call()).rejects.toMatchObject({ details: { cause: 'unreadable', attempts: 1 } })
    handler = (_, response) => answer(response, 200, { choices: [] })
    await expect(call()).rejects.toMatchObject({ details: { cause: 'unreadable', attempts: 1 } })
  })

  it('gives up on a silent engine after its time-out, and on a dead one', async () => {
    handler = () => undefined
    await expect(call({ timeoutMs: 50, maxAttempts: 1 })).rejects.toMatchObject({ details: { cause: 'time_out' } })
    const dead = call({ maxAttempts: 1 }, { endpoint: { url: 'http://127.0.0.1:1/v1' } })
    await expect(dead).rejects.toMatchObject({ details: { cause: 'unreachable' } })
  })

  it('waits as long as its time-out says, also where what fetch uses gives up sooner', async () => {
    const restore = await impatientFetch()
    try {
      handler = () => undefined
      await expect(fetch(url)).rejects.toThrow('fetch failed')
      const silent = call({ timeoutMs: 1_500, maxAttempts: 1 })
      await expect(silent).rejects.toMatchObject({ details: { cause: 'time_out' } })
      expect(calls).toBe(2)
    } finally {
      restore()
    }
  })

  it('reads no more of an answer than it may be long', async () => {
    handler = (_, response) => answer(response, 200, ' '.repeat(9 * 1024 * 1024))
    await expect(call()).rejects.toMatchObject({
      message: expect.stringContaining('longer than 8388608 bytes'),
      details: { cause: 'unreadable', attempts: 1 },
    })
  })

  it('follows no redirect, and says where it leads', async () => {
    handler = (_, response) => answer(response, 308, '', { location: 'https://elsewhere.example/v1' })
    await expect(call()).rejects.toMatchObject({
      message: expect.stringContaining('HTTP 308, redirects to https://elsewhere.example/v1'),
      details: { cause: 'refused', attempts: 1 },
    })
    expect(calls).toBe(1)
  })

  it('stops at once when aborted, during a call and between tries', async () => {
    const during = new AbortController()
    handler = () => during.abort(new Error('enough'))
    await expect(call({}, { signal: during.signal })).rejects.toThrow('enough')
    const between = new AbortController()
    handler = (_, response) => {
      answer(response, 429, 'busy', { 'retry-after': '30' })
      setImmediate(() => between.abort())
    }
    await expect(call({}, { signal: between.signal })).rejects.toThrow(/abort/i)
    expect(calls).toBe(2)
  })

  it('tells a truncated answer, and takes the seed of the call before the pinned one', async () => {
    handler = (request, response) => {
      let text = ''
      request.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      request.on('end', () => {
        const { seed } = JSON.parse(text) as { seed: number }
        answer(response, 200, { choices: [{ finish_reason: 'length', message: { content: `seed ${seed}` } }] })
      })
    }
    await expect(call({}, { seed: 3 })).resolves.toMatchObject({ text: 'seed 3', truncated: true, costUsd: 0 })
  })

  it('names the endpoints there are when one is missing', () => {
    expect(endpointOf({ local: { url } }, 'local')).toEqual({ url })
    expect(() => endpointOf({ local: { url } }, 'other')).toThrow(/configured are: local/)
  })
})

const dispatcherKey = Symbol.for('undici.globalDispatcher.1')

interface Dispatcher {
  readonly constructor: new (options: { readonly headersTimeout: number }) => Dispatcher
  close(): Promise<void>
}

/** Fetch waits 300 s for headers where nobody set another dispatcher; this one waits a moment. Gives what undoes it. */
async function impatientFetch(): Promise<() => void> {
  // Jest runs tests in a realm of their own; fetch and its dispatcher are of the realm around it.
  const outer = Object.getPrototypeOf(Object.getPrototypeOf(fetch)).constructor
  const realm = outer.constructor('return globalThis')() as Record<symbol, Dispatcher>
  await fetch('data:,loads the library that fetch is made of')
  const usual = realm[dispatcherKey]
  if (usual === undefined) throw new Error('this Node keeps the dispatcher of fetch elsewhere')
  const impatient = new usual.constructor({ headersTimeout: 50 })
  realm[dispatcherKey] = impatient
  return () => {
    realm[dispatcherKey] = usual
    void impatient.close()
  }
}
