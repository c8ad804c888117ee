import { type TestServer, type TrafficGround, trafficGround } from '../../support/traffic'

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

  it('that names something longer is refused by what may stand there', async () => {
    const headers = { authorization: `Bearer ${ground.adminKey}` }
    const answer = await fetch(`${server.url}/v1/tenants/${'t'.repeat(257)}`, { headers })
    expect([answer.status, await answer.json()]).toMatchObject([400, { code: 'invalid_request' }])
  })
})
