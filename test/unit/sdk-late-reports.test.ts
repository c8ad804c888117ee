import type { ServerResponse } from 'node:http'
import { connectTo, type Posted, plainSnapshot, sdkServer } from '../support/sdk-server'

const minuteMs = 60_000

it('a report says since when nothing could be delivered, once that is a while', async () => {
  let isAway = false
  const refusing = (_: Posted, response: ServerResponse): boolean => {
    if (isAway) response.writeHead(503).end()
    return isAway
  }
  const now = performance.now.bind(performance)
  let passedMs = 0
  const clock = jest.spyOn(performance, 'now').mockImplementation(() => now() + passedMs)
  const server = await sdkServer(plainSnapshot(), refusing)
  const { client, serving } = await connectTo(server.url)
  const report = (name: string) =>
    client.report(serving(name), { requestId: name, outcome: 'ok', latencyMs: 1, costUsd: 0 })
  const covered = () => server.posted.at(-1)?.body.coversMs
  report('c-1')
  await client.flush()
  expect(covered()).toBeUndefined()
  isAway = true
  for (let minute = 0; minute < 5; minute++) {
    report(`c-away-${minute}`)
    await expect(client.flush()).rejects.toThrow()
    passedMs += minuteMs
  }
  isAway = false
  await client.flush()
  expect(covered()).toBeGreaterThanOrEqual(5 * minuteMs)
  expect(covered()).toBeLessThan(6 * minuteMs)
  report('c-2')
  await client.flush()
  expect(covered()).toBeUndefined()
  await client.shutdown()
  await server.end()
  clock.mockRestore()
})
