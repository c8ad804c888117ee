import { emptyBatch, type TestServer, type TrafficGround, trafficGround } from '../../support/traffic'

/** What a refusal may take, however much is wrong with a body. */
const maxAnswerLength = 60_000

describe('a refusal', () => {
  let ground: TrafficGround
  let server: TestServer
  beforeAll(async () => {
    ground = await trafficGround()
    await ground.settle(0)
    server = await ground.serve()
  })
  afterAll(() => ground.end())

  const send = async (body: unknown): Promise<string> => {
    const headers = { authorization: `Bearer ${ground.appKey}`, 'content-type': 'application/json' }
    const answer = await fetch(`${server.url}/v1/telemetry`, { method: 'POST', headers, body: JSON.stringify(body) })
    return answer.text()
  }
  const names = (count: number, first: string) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`${first}${index}`, 1]))

  it('of too many lanes looks at none of their names', async () => {
    const answer = await send({ ...emptyBatch('reporter-1'), appliedHeads: names(20_000, '$') })
    expect(JSON.parse(answer)).toMatchObject({
      code: 'invalid_request',
      details: { fields: [{ path: '/appliedHeads' }] },
    })
  })

  it('of a body with a fault in every word names the first ones, and how many are left', async () => {
    const answer = await send({ ...emptyBatch('reporter-1'), strata: Array.from({ length: 1_000 }, () => ({})) })
    expect(answer.length).toBeLessThan(maxAnswerLength)
    expect(JSON.parse(answer).detail).toMatch(/ and \d{4} more\.$/)
  })

  it.each([
    ['a body', () => names(100_000, 'field-')],
    ['a record of a batch', () => ({ ...emptyBatch('reporter-1'), requests: [names(100_000, 'field-')] })],
  ])('of %s with fields that nobody knows does not send them all back', async (_, body) => {
    expect((await send(body())).length).toBeLessThan(maxAnswerLength)
  })
})
