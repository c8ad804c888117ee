import { RequestIds } from '../../src/sdk/request-ids'

it('are never the same within or between clients, and can be given to a command of the CLI as they are', () => {
  const clients = Array.from({ length: 300 }, () => new RequestIds())
  const ids = clients.flatMap((client) => [client.next(), client.next(), client.next()])
  expect(new Set(ids).size).toBe(ids.length)
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}\.[123]$/)
})
