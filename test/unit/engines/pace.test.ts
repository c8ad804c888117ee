import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { EngineContent } from '../../../src/domain/contents'
import { callEngine } from '../../../src/engines'
import type { Endpoint, Pace } from '../../../src/engines/engine'
import { createSlots, paceOf } from '../../../src/engines/pace'

const engine: EngineContent = {
  endpoint: 'local',
  provider: 'openai-compatible',
  model: 'm-1',
  parameters: {},
  timeoutMs: 60_000,
  maxAttempts: 2,
  pricePerMillion: { input: 2, cachedInput: 0.5, output: 8 },
}
const completion = JSON.stringify({ choices: [{ message: { content: 'hello' } }] })

let server: Server
let handler: (response: ServerResponse, call: number) => void
/** Timers of Node count in whole milliseconds: one of a second may end after 999.x. */
const aSecondMs = 998
/** When each request came. */
let came: number[]
let inFlight: number
let mostInFlight: number
let endpoint: Endpoint

const ok = (response: ServerResponse): void => void response.writeHead(200).end(completion)

/** Holds every answer until so many calls are in flight at once, and a while longer, in which one too many would come. */
function together(count: number): (response: ServerResponse) => void {
  let held: ServerResponse[] = []
  return (response) => {
    held.push(response)
    if (held.length < count) return
    const all = held
    held = []
    setTimeout(() => all.forEach(ok), 20)
  }
}

beforeAll(async () => {
  server = createServer((request: IncomingMessage, response) => {
    request.resume()
    came.push(performance.now())
    inFlight += 1
    mostInFlight = Math.max(mostInFlight, inFlight)
    response.once('close', () => {
      inFlight -= 1
    })
    handler(response, came.length)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
beforeEach(() => {
  came = []
  inFlight = 0
  mostInFlight = 0
  handler = ok
  endpoint = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, concurrency: 3 }
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const call = (pace: Pace = paceOf(endpoint), signal?: AbortSignal) =>
  callEngine({ engine, endpoint, messages: [{ role: 'user', content: 'hi' }], pace, ...(signal ? { signal } : {}) })
const many = (count: number) => Promise.all(Array.from({ length: count }, () => call()))

describe('the pace of an endpoint', () => {
  it('is one for all callers of a process: no more calls at a time than its limit, and as many', async () => {
    handler = together(3)
    const answers = await Promise.all([many(12), many(12)])
    expect(answers.flat()).toHaveLength(24)
    expect(mostInFlight).toBe(3)
    expect(paceOf({ ...endpoint })).not.toBe(paceOf(endpoint))
  })

  it('holds every caller back for as long as the provider asks one of them to wait', async () => {
    let refusedAt = 0
    handler = (response, count) => {
      if (count > 1) return ok(response)
      refusedAt = performance.now()
      response.writeHead(429, { 'retry-after': '1' }).end('slower')
    }
    const first = call()
    while (refusedAt === 0) await new Promise((resolve) => setImmediate(resolve))
    await first
    await many(5)
    expect(came.slice(1).every((at) => at - refusedAt >= aSecondMs)).toBe(true)
    expect(came).toHaveLength(7)
  })

  it("reads the date to come back at by the provider's own clock", async () => {
    let refusedAt = 0
    handler = (response, count) => {
      if (count > 1) return ok(response)
      refusedAt = performance.now()
      const headers = { date: 'Thu, 01 Jan 1970 00:00:00 GMT', 'retry-after': 'Thu, 01 Jan 1970 00:00:01 GMT' }
      response.writeHead(503, headers).end('later')
    }
    await expect(call()).resolves.toMatchObject({ text: 'hello', attempts: 2 })
    expect((came[1] ?? 0) - refusedAt).toBeGreaterThanOrEqual(aSecondMs)
  })

  it('comes back with fewer calls at a time after a refusal, and gets them back one by one', async () => {
    endpoint = { ...endpoint, concurrency: 8 }
    let refused = false
    handler = (response) => {
      if (refused) return ok(response)
      refused = true
      response.writeHead(429, { 'retry-after': '0' }).end('slower')
    }
    await call()
    mostInFlight = 0
    handler = together(4)
    await many(4)
    expect(mostInFlight).toBe(4)
    handler = ok
    await many(60)
    mostInFlight = 0
    handler = together(8)
    await many(24)
    expect(mostInFlight).toBe(8)
  })

  it('takes refusals for no failures of the call, up to a bound of their own, each pause longer', async () => {
    const pauses: number[] = []
    const pace: Pace = {
      enter: async () => () => undefined,
      slowDown: (pauseMs) => void pauses.push(pauseMs),
      answered: () => undefined,
    }
    handler = (response, count) => (count <= 10 ? response.writeHead(429).end('slower') : ok(response))
    await expect(call(pace)).resolves.toMatchObject({ text: 'hello', attempts: 11 })
    expect(pauses[9]).toBeGreaterThan((pauses[0] ?? 0) * 4)
    handler = (response) => response.writeHead(429).end('slower')
    came = []
    await expect(call(pace)).rejects.toMatchObject({ details: { cause: 'rate_limited', attempts: 30 } })
    expect(came).toHaveLength(30)
    expect(Math.max(...pauses)).toBeLessThanOrEqual(8_000)
  })

  it('backs off alone where only this call fails', async () => {
    handler = (response, count) => (count === 1 ? response.writeHead(500).end('broken') : ok(response))
    const failing = call()
    while (came.length === 0) await new Promise((resolve) => setImmediate(resolve))
    await expect(call()).resolves.toMatchObject({ attempts: 1 })
    await expect(failing).resolves.toMatchObject({ attempts: 2 })
  })

  it('lets go of who waits when aborted, and keeps the slots of the others', async () => {
    const slots = createSlots(1)
    const leave = await slots.enter()
    const stop = new AbortController()
    const waiting = slots.enter(stop.signal)
    stop.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    await expect(slots.enter(stop.signal)).rejects.toThrow('enough')
    const next = slots.enter()
    leave()
    leave()
    const leaveNext = await next
    const last = slots.enter(AbortSignal.timeout(20))
    await expect(last).rejects.toThrow()
    leaveNext()
  })
})
