import { environment, type TestServer, type TrafficGround, task, trafficGround } from '../support/traffic'
import { until } from '../support/until'

let ground: TrafficGround
let server: TestServer
let release: () => void = () => undefined

beforeEach(async () => {
  ground = await trafficGround()
  server = await ground.serve()
})
afterEach(async () => {
  release()
  await ground.end()
})

/** From now on the server reads nothing, while its change stream goes on to answer. */
function holdReadings(): void {
  const { database } = server.store
  const { now } = database
  const held = new Promise<void>((resolve) => {
    release = () => {
      Object.assign(database, { now })
      resolve()
    }
  })
  Object.assign(database, { now: () => held.then(() => now.call(database)) })
}

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(`${server.url}${path}?environment=${environment}`, {
    headers: { authorization: `Bearer ${ground.appKey}`, ...headers },
  })

async function resolved(): Promise<Record<string, unknown>> {
  const headers = { authorization: `Bearer ${ground.appKey}`, 'content-type': 'application/json' }
  const body = JSON.stringify({ environment, task, tenant: 'acme', conversation: 'c-1', binding: 'b1.1.0' })
  return (await (await fetch(`${server.url}/v1/resolve`, { method: 'POST', headers, body })).json()) as never
}

async function hello(): Promise<{ confirmed: boolean }> {
  const ending = new AbortController()
  const response = await fetch(`${server.url}/v1/snapshot/events?environment=${environment}`, {
    headers: { authorization: `Bearer ${ground.appKey}` },
    signal: ending.signal,
  })
  const { value } = (await response.body?.getReader().read()) ?? {}
  ending.abort()
  return JSON.parse(/^data: (.*)$/m.exec(new TextDecoder().decode(value))?.[1] ?? '')
}

it('says in every answer that something it was told of is still unread, and an application does not take it as confirmed', async () => {
  await ground.settle(0)
  // A word of the change stream counts for some seconds, which a busy machine may let pass between two questions.
  await until('the snapshot is confirmed', async () => !(await get('/v1/snapshot')).headers.has('sluice-confirmed'))
  await until('a stream begins confirmed', async () => (await hello()).confirmed)
  await until('an answer is not called stale', async () => !('stale' in (await resolved())))
  const known = { 'if-none-match': (await get('/v1/snapshot')).headers.get('etag') ?? '' }
  holdReadings()
  await ground.step({ incumbent: 0, candidate: 1 })
  const isConfirmed = async () => !(await get('/v1/snapshot', known)).headers.has('sluice-confirmed')
  await until('the server says so', async () => !(await isConfirmed()))
  expect((await get('/v1/snapshot')).headers.get('sluice-confirmed')).toBe('0')
  expect(await hello()).toMatchObject({ confirmed: false })
  expect(await resolved()).toMatchObject({ reason: 'settled', stale: true })
  const errors: string[] = []
  const sluice = await ground.connect(server.url, { onError: ({ code }) => errors.push(code) })
  expect(sluice.snapshot).toMatchObject({ ageMs: Number.POSITIVE_INFINITY, stale: true })
  const serving = sluice.resolve(task, { tenant: 'acme', conversation: 'c-1', startedAt: Date.now() + 1_000 })
  if (serving.skip !== undefined) throw new Error(`skipped: ${serving.skip}`)
  release()
  await until('it is confirmed again', isConfirmed)
  sluice.report(serving, { requestId: 'r-1', outcome: 'ok', latencyMs: 1 })
  await sluice.flush()
  expect(errors).toEqual([])
  await until(
    'the application is up to date',
    async () => !sluice.snapshot.stale && Object.values(sluice.heads)[0] === 2,
  )
})
