import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from '../../src/sdk'
import { flushAtExit, forgetAtExit } from '../../src/sdk/at-exit'
import { until } from '../support/until'

const many = 30
const anHourMs = 3_600_000

/** A server whose snapshot can be had, whose stream says no more than hello, and which takes no reports. */
async function refusingServer() {
  const snapshot = { specVersion: 1, environment: 'production', version: 'v', leadMs: anHourMs }
  const server = createServer((request, response) => {
    if (request.url === '/v1/telemetry') response.writeHead(503).end('no room')
    else if (request.url?.startsWith('/v1/snapshot?'))
      response.end(JSON.stringify({ ...snapshot, lanes: {}, tenants: {}, composites: {} }))
    else response.writeHead(200).write('event: hello\ndata: {"version":"v","resumed":true}\n\n')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

it('listens once for any number of clients, and flushes each of them once', () => {
  const before = process.listeners('beforeExit')
  const added = () => process.listeners('beforeExit').filter((listener) => !before.includes(listener))
  const flushed: number[] = []
  const clients = Array.from({ length: many }, (_, index) => ({
    async flushLast() {
      flushed.push(index)
    },
  }))
  for (const client of clients) flushAtExit(client)
  expect(added()).toHaveLength(1)
  const [first, ...others] = clients
  if (first !== undefined) forgetAtExit(first)
  expect(added()).toHaveLength(1)
  if (first !== undefined) flushAtExit(first)
  for (const listener of added()) listener(0)
  expect(flushed.sort((left, right) => left - right)).toEqual(clients.map((_, index) => index))
  expect(added()).toEqual([])
  for (const client of [...others, ...clients]) forgetAtExit(client)
  expect(added()).toEqual([])
})

it('tells of what the server would not take as the process ended', async () => {
  const before = process.listeners('beforeExit')
  const { server, url } = await refusingServer()
  const errors: string[] = []
  const client = await connect({
    url,
    apiKey: 'any',
    environment: 'production',
    flushIntervalMs: anHourMs,
    onError: ({ message }) => errors.push(message),
  })
  try {
    client.outcome('csat', { tenant: 'acme', conversation: 'c-1' }, { metric: 'csat', value: 5 })
    expect(errors).toEqual([])
    for (const listener of process.listeners('beforeExit')) if (!before.includes(listener)) listener(0)
    await until('the failure is told', async () => errors.length > 0)
    expect(errors).toEqual(['Sluice answered 503: no room'])
  } finally {
    await client.shutdown()
    server.closeAllConnections()
    server.close()
  }
})
