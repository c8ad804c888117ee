import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createApiClient } from '../../../src/cli/client'

const timeoutMs = 200

let server: Server
let asked: string[]
let handler: RequestListener
beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.headers['idempotency-key'] ?? ''}`)
    handler(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
beforeEach(() => {
  asked = []
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const client = () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return createApiClient(() => ({ url, apiKey: 'any' }), { timeoutMs })
}

const noAnswer = {
  code: 'no_answer',
  message: expect.stringMatching(/no answer within 0\.2 s.*may still be at it/),
}

describe('a call that the server does not answer in time', () => {
  it('is not repeated where it reads: the server would do the work once more', async () => {
    handler = () => undefined
    await expect(client().get('/v1/composites/any/verification')).rejects.toMatchObject(noAnswer)
    expect(asked).toEqual(['GET '])
  })

  it('is not repeated where the answer stops halfway', async () => {
    handler = (_, response) => response.writeHead(200).write('{"id":')
    await expect(client().get('/v1/composites/any/verification')).rejects.toMatchObject(noAnswer)
    expect(asked).toEqual(['GET '])
  })

  it('is asked for again under its key where it writes, and says the same in the end', async () => {
    handler = () => undefined
    await expect(client().post('/v1/composites', {})).rejects.toMatchObject(noAnswer)
    expect(asked).toHaveLength(3)
    expect(new Set(asked).size).toBe(1)
  })
})

it('asks for a write that may have arrived until the server is back, under one key', async () => {
  const { port } = server.address() as AddressInfo
  handler = (request, response) => {
    if (asked.length > 1) return response.end('{"seq":3}')
    request.socket.destroy()
    server.close()
    server.closeAllConnections()
    setTimeout(() => server.listen(port, '127.0.0.1'), 1_200)
  }
  const url = `http://127.0.0.1:${port}`
  const answer = await createApiClient(() => ({ url, apiKey: 'any' })).post('/v1/environments/a/tasks/b/rollback', {})
  expect(answer).toEqual({ seq: 3 })
  expect(asked).toHaveLength(2)
  expect(new Set(asked).size).toBe(1)
})

it('tells at once of a server that is not there', async () => {
  const gone = createServer()
  await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(gone.address() as AddressInfo).port}`
  await new Promise((resolve) => gone.close(resolve))
  const call = createApiClient(() => ({ url, apiKey: 'any' })).post('/v1/composites', {})
  await expect(call).rejects.toMatchObject({ code: 'api_unreachable', details: { cause: 'ECONNREFUSED' } })
})

it('asks again for what was lost with its connection', async () => {
  handler = (request, response) => {
    if (asked.length === 1) request.socket.destroy()
    else response.end('{"items":[]}')
  }
  expect(await client().get('/v1/tasks')).toEqual({ items: [] })
})
