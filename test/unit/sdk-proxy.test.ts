import type { ServerResponse } from 'node:http'
import { connectTo, type Posted, plainSnapshot, sdkServer } from '../support/sdk-server'

/** As nginx does by default: its own page, and a limit below what the server itself would take. */
const refusesAbove = (limit: number) => (post: Posted, response: ServerResponse) => {
  if (post.size <= limit) return false
  response.writeHead(413, { 'content-type': 'text/html' }).end('<h1>413 Request Entity Too Large</h1>')
  return true
}

describe('behind a proxy that takes no large bodies', () => {
  it('all reports arrive, in smaller batches', async () => {
    const server = await sdkServer(plainSnapshot(), refusesAbove(64 * 1024))
    const { client, errors, serving } = await connectTo(server.url)
    const [requests, rounds] = [500, 20]
    for (let index = 0; index < requests; index++) {
      client.report(serving(`c-${index}`), { requestId: `r-${index}`, outcome: 'ok', latencyMs: 1, costUsd: 0 })
    }
    for (let round = 0; round < rounds; round++) await client.flush()
    const taken = server.posted.filter(({ size }) => size <= 64 * 1024).flatMap(({ body }) => body.requests ?? [])
    expect(new Set(taken.map(({ requestId }) => requestId)).size).toBe(requests)
    expect([taken.length, client.dropped, errors]).toEqual([requests, 0, []])
    await client.shutdown()
    await server.end()
  })

  it('all contents arrive that are small enough, and those that never can are dropped and counted', async () => {
    const server = await sdkServer(plainSnapshot({ basisPoints: 10_000 }), refusesAbove(64 * 1024))
    const { client, serving } = await connectTo(server.url)
    const [small, large, rounds] = [60, 3, 20]
    for (let index = 0; index < small + large; index++) {
      const input = { transcript: 'x'.repeat(index % 20 === 7 ? 100_000 : 5_000) }
      client.report(serving(`c-${index}`), { requestId: `r-${index}`, outcome: 'ok', latencyMs: 1, costUsd: 0, input })
    }
    for (let round = 0; round < rounds; round++) await client.flush()
    const deliveries = server.posted.filter(({ path, size }) => path === '/v1/captures' && size <= 64 * 1024)
    const taken = deliveries.flatMap(({ body }) => body.captures ?? [])
    expect([taken.length, new Set(taken.map(({ requestId }) => requestId)).size]).toEqual([small, small])
    expect(client.capturesDropped).toBe(large)
    const sent = server.posted.length
    await client.flush()
    expect(server.posted.slice(sent).map(({ path }) => path)).toEqual(['/v1/telemetry'])
    await client.shutdown()
    await server.end()
  })
})
