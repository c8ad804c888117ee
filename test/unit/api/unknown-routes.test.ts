import { type TestServer, type TrafficGround, trafficGround } from '../../support/traffic'

describe('a path that nobody serves', () => {
  let ground: TrafficGround
  let server: TestServer
  beforeAll(async () => {
    ground = await trafficGround()
    server = await ground.serve()
  })
  afterAll(() => ground.end())

  it.each(['POST', 'PUT', 'DELETE'])('is told so to anyone before the body of a %s is looked at', async (method) => {
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${server.url}/v1/nothing`, { method, headers, body: '{"half":' })
    expect([answer.status, await answer.json()]).toMatchObject([404, { code: 'not_found' }])
  })
})
