import type { ServerResponse } from 'node:http'
import { connectTo, plainSnapshot, sdkServer } from '../support/sdk-server'
import { until } from '../support/until'

const captured = plainSnapshot({ basisPoints: 10_000 })
const told = (requestId: string) =>
  ({ requestId, outcome: 'ok', latencyMs: 1, costUsd: 0, output: { csat: 4 } }) as const

describe('captured contents that the server does not take', () => {
  it('hold up no report while their delivery hangs, and are delivered one at a time', async () => {
    const hanging: ServerResponse[] = []
    let gaveUp = false
    const server = await sdkServer(captured, ({ path }, response) => {
      if (path !== '/v1/captures' || hanging.length > 0) return false
      hanging.push(response)
      response.on('close', () => {
        gaveUp = !response.writableEnded
      })
      return true
    })
    const { client, serving } = await connectTo(server.url, { flushIntervalMs: 10 })
    const arrived = (requestId: string, path: string) =>
      server.posted.some(
        (post) =>
          post.path === path &&
          [...(post.body.requests ?? []), ...(post.body.captures ?? [])].some((row) => row.requestId === requestId),
      )
    for (const requestId of ['r-1', 'r-2', 'r-3']) {
      client.report(serving('c-1'), told(requestId))
      await until(`${requestId} is told`, async () => arrived(requestId, '/v1/telemetry'))
      await until('the first delivery hangs', async () => hanging.length > 0)
    }
    expect([gaveUp, server.posted.filter(({ path }) => path === '/v1/captures').length]).toEqual([false, 1])
    hanging[0]?.end('{}')
    await client.flush()
    expect(['r-1', 'r-2', 'r-3'].map((requestId) => arrived(requestId, '/v1/captures'))).toEqual([true, true, true])
    await client.shutdown()
    await server.end()
  })

  it('are counted as dropped where they are left over at the end', async () => {
    const server = await sdkServer(captured, ({ path }, response) => {
      if (path !== '/v1/captures') return false
      response.writeHead(503).end()
      return true
    })
    const { client, serving } = await connectTo(server.url)
    const contents = 300
    for (let index = 0; index < contents; index++) client.report(serving(`c-${index}`), told(`r-${index}`))
    await client.shutdown()
    expect(client.capturesDropped).toBe(contents)
    await server.end()
  })

  it('all go out at the end, however many the queue holds', async () => {
    const server = await sdkServer(captured)
    const { client, serving } = await connectTo(server.url)
    const contents = 1_000
    for (let index = 0; index < contents; index++) client.report(serving(`c-${index}`), told(`r-${index}`))
    await client.shutdown()
    const taken = server.posted.flatMap(({ body }) => body.captures ?? [])
    expect([taken.length, client.capturesDropped]).toEqual([contents, 0])
    await server.end()
  })
})
