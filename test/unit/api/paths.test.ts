import { connect } from 'node:net'
import { type TestServer, type TrafficGround, trafficGround } from '../../support/traffic'
import { until } from '../../support/until'

describe('a path', () => {
  let ground: TrafficGround
  let server: TestServer
  beforeAll(async () => {
    ground = await trafficGround()
    server = await ground.serve()
  })
  afterAll(() => ground.end())

  it.each(['POST', 'PUT', 'DELETE'])(
    'that nobody serves is told to be so to anyone before the body of a %s is looked at',
    async (method) => {
      const headers = { 'content-type': 'application/json' }
      const answer = await fetch(`${server.url}/v1/nothing`, { method, headers, body: '{"half":' })
      expect([answer.status, await answer.json()]).toMatchObject([404, { code: 'not_found' }])
    },
  )

  it.each(['/%', '/v1/tenants/%zz', '/v1/tenants/%ff', '/v1/tenants/%ff?environment=production'])(
    'with broken percent-encoding is refused like any other fault: %s',
    async (path) => {
      const answer = await fetch(`${server.url}${path}`)
      expect(answer.headers.get('content-type')).toMatch('application/problem+json')
      expect([answer.status, await answer.json()]).toMatchObject([400, { status: 400, code: 'invalid_request' }])
    },
  )

  it.each(['t', 'ü', '\u{1f6a6}'])('names whatever telemetry may name, as long as it may be: of %s', async (letter) => {
    const tenant = letter.repeat(256 / letter.length)
    const headers = { authorization: `Bearer ${ground.adminKey}`, 'content-type': 'application/json' }
    const path = `${server.url}/v1/tenants/${encodeURIComponent(tenant)}`
    const put = await fetch(path, { method: 'PUT', headers, body: JSON.stringify({ ring: 'pilot', reason: 'a test' }) })
    expect([put.status, await put.json()]).toMatchObject([200, { tenant }])
    const read = await fetch(path, { headers })
    expect([read.status, await read.json()]).toMatchObject([200, { current: { tenant } }])
  })

  it('to somebody who has no key is answered at once, and does not hold the connection by a body that never ends', async () => {
    const { hostname, port } = new URL(server.url)
    const socket = connect(Number(port), hostname)
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => undefined)
    let answer = ''
    socket.on('data', (bytes) => {
      answer += bytes.toString()
    })
    socket.write(
      'POST /v1/telemetry HTTP/1.1\r\nhost: sluice\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n',
    )
    const drip = setInterval(() => socket.write(' '), 200)
    await until('it is answered', async () => answer.startsWith('HTTP/1.1 401'))
    await closed
    clearInterval(drip)
  })

  it('that names something longer is refused by what may stand there', async () => {
    const headers = { authorization: `Bearer ${ground.adminKey}` }
    const answer = await fetch(`${server.url}/v1/tenants/${'t'.repeat(257)}`, { headers })
    expect([answer.status, await answer.json()]).toMatchObject([400, { code: 'invalid_request' }])
  })
})
