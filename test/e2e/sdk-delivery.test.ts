import { mkdtemp, readdir, readFile, rm, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { reservePort } from '../../src/embedded/ports'
import { SluiceError } from '../../src/errors'
import type { Serving } from '../../src/sdk'
import { next, served, type TestServer, type TrafficGround, task, trafficGround, wireTo } from '../support/traffic'

let ground: TrafficGround
let server: TestServer

beforeEach(async () => {
  ground = await trafficGround()
  server = await ground.serve()
})
afterEach(() => ground.end())

const conversation = (name: string, startedAt: number = Date.now()) => ({
  tenant: 'acme',
  conversation: name,
  startedAt,
})
const now = () => ground.store.database.now()
/** Begun further from the newest entry than any error of the clock offset that an application has measured before it. */
const wellAfter = ({ at }: { readonly at: number }): number => at + 1_000

function servingOf(result: ReturnType<Awaited<ReturnType<TrafficGround['connect']>>['resolve']>): Serving {
  if (result.skip !== undefined) throw new Error(`skipped: ${result.skip}`)
  return result
}

describe('a connected application', () => {
  it('resolves without asking, renders the pinned prompt, and serves a change as soon as it is told', async () => {
    const incumbent = await ground.settle(0)
    const sluice = await ground.connect(server.url)
    const before = servingOf(sluice.resolve(task, conversation('c-1')))
    expect(before).toMatchObject({ arm: 'none', reason: 'settled', seq: 1, stale: false, composite: { id: incumbent } })
    expect(before.prompt.render({ transcript: 'hello' })).toEqual([{ role: 'user', content: 'Score 0: hello' }])
    expect(before.engine.model).toBe('sim-1')
    expect(before.schema).toMatchObject({ required: ['csat'] })
    const candidate = await ground.composite(1)
    const step = await ground.step({ incumbent: 0, candidate: 1, basisPoints: 10_000 })
    await served(sluice, 2)
    const after = servingOf(sluice.resolve(task, conversation('c-2', wellAfter(step))))
    expect(after).toMatchObject({ arm: 'candidate', reason: 'slice', seq: 2, composite: { id: candidate } })
    const kept = servingOf(sluice.resolve(task, { tenant: 'acme', conversation: 'c-1', binding: before.binding }))
    expect(kept.composite.id).toBe(incumbent)
    await ground.rollback('release-1')
    await served(sluice, 3)
    const moved = servingOf(sluice.resolve(task, { tenant: 'acme', conversation: 'c-2', binding: after.binding }))
    expect(moved).toMatchObject({ arm: 'none', reason: 'revoked', composite: { id: incumbent } })
  })

  it('resumes after the stream was cut, with what happened meanwhile', async () => {
    await ground.settle(0)
    const wire = await wireTo(server.url)
    const sluice = await ground.connect(wire.url)
    const failed = next(sluice, 'error')
    wire.cut()
    await failed
    await ground.step({ incumbent: 0, candidate: 1 })
    await ground.rollback('release-1')
    expect(sluice.heads[task]).toBe(1)
    wire.mend()
    await served(sluice, 3)
    await ground.settle(2)
    await served(sluice, 4)
    await wire.close()
  })

  it('is told at once by a server on the same database that did not write the change', async () => {
    await ground.settle(0)
    const other = await ground.serve()
    const clients = await Promise.all([ground.connect(server.url), ground.connect(other.url)])
    await ground.step({ incumbent: 0, candidate: 1 })
    await Promise.all(clients.map((client) => served(client, 2)))
    expect(clients[0]?.snapshot.version).toBe(clients[1]?.snapshot.version)
  })

  it('waits for a binding that another process made from a newer entry', async () => {
    await ground.settle(0)
    const wire = await wireTo(server.url)
    const [ahead, behind] = [await ground.connect(server.url), await ground.connect(wire.url)]
    const failed = next(behind, 'error')
    wire.cut()
    await failed
    const step = await ground.step({ incumbent: 0, candidate: 1 })
    await served(ahead, 2)
    const { binding } = servingOf(ahead.resolve(task, conversation('c-1', wellAfter(step))))
    const request = { tenant: 'acme', conversation: 'c-1', binding }
    expect(() => behind.resolve(task, request)).toThrow(expect.objectContaining({ code: 'snapshot_behind' }))
    wire.mend()
    expect(servingOf(await behind.resolveCaughtUp(task, request, 60_000)).seq).toBe(2)
    await wire.close()
  })

  it('corrects a clock that is an hour wrong, either way', async () => {
    await ground.settle(0)
    for (const hours of [1, -1]) {
      const clock = () => Date.now() + hours * 3_600_000
      const sluice = await ground.connect(server.url, { clock })
      const serving = servingOf(sluice.resolve(task, { tenant: 'acme', conversation: 'c-1', startedAt: clock() }))
      expect(serving.seq).toBe(1)
      expect(Math.abs((serving.startedAt ?? 0) - (await now()))).toBeLessThan(60_000)
      const tomorrow = { tenant: 'acme', conversation: 'c-1', startedAt: clock() + 86_400_000 }
      expect(() => sluice.resolve(task, tomorrow)).toThrow(expect.objectContaining({ code: 'start_in_future' }))
      const yesterday = { tenant: 'acme', conversation: 'c-1', startedAt: new Date(clock() - 86_400_000) }
      expect(sluice.resolve(task, yesterday)).toEqual({ skip: 'before_first_entry' })
    }
  })
})

describe('with the server down', () => {
  let cacheDir: string
  beforeEach(async () => {
    cacheDir = await mkdtemp(join(tmpdir(), 'sluice-sdk-'))
  })
  afterEach(() => rm(cacheDir, { recursive: true, force: true }))

  const cached = async (): Promise<string> => join(cacheDir, (await readdir(cacheDir))[0] ?? '')

  it('starts from the last known good on disk and says how old it is', async () => {
    const incumbent = await ground.settle(0)
    await (await ground.connect(server.url, { cacheDir })).shutdown()
    await server.close()
    const errors: SluiceError[] = []
    const sluice = await ground.connect(server.url, { cacheDir, onError: (error) => errors.push(error) })
    expect(servingOf(sluice.resolve(task, conversation('c-1', await now()))).composite.id).toBe(incumbent)
    expect(errors.map(({ code }) => code)).toContain('api_unreachable')
    const later = () => Date.now() + 3_600_000
    const old = await ground.connect(server.url, { cacheDir, clock: later, maxStaleMs: 60_000 })
    expect(old.snapshot.ageMs).toBeGreaterThan(3_000_000)
    expect(servingOf(old.resolve(task, conversation('c-1', await now())))).toMatchObject({ stale: true, seq: 1 })
    const strict = await ground.connect(server.url, { cacheDir, clock: later, maxStaleMs: 60_000, failWhenStale: true })
    expect(() => strict.resolve(task, conversation('c-1'))).toThrow(expect.objectContaining({ code: 'snapshot_stale' }))
  })

  it('tells when what it serves by became stale, and serves on', async () => {
    await ground.settle(0)
    const wire = await wireTo(server.url)
    const sluice = await ground.connect(wire.url, { maxStaleMs: 50 })
    const stale = next(sluice, 'stale')
    wire.cut()
    await stale
    expect(servingOf(sluice.resolve(task, conversation('c-1', await now()))).stale).toBe(true)
    await wire.close()
  })

  it.each([
    ['truncated', (file: string) => readFile(file).then(({ length }) => truncate(file, length - 10))],
    ['empty', (file: string) => truncate(file, 0)],
  ])('ignores a %s file with an error, and takes the whole from the server', async (_, damage) => {
    await ground.settle(0)
    await (await ground.connect(server.url, { cacheDir })).shutdown()
    await damage(await cached())
    const errors: SluiceError[] = []
    const onError = (error: SluiceError) => errors.push(error)
    const sluice = await ground.connect(server.url, { cacheDir, onError })
    expect(errors.map(({ code }) => code)).toEqual(['digest_mismatch'])
    expect(servingOf(sluice.resolve(task, conversation('c-1', await now()))).seq).toBe(1)
    await sluice.shutdown()
    await damage(await cached())
    await server.close()
    await expect(ground.connect(server.url, { cacheDir })).rejects.toMatchObject({ code: 'api_unreachable' })
  })

  it('fails to connect where there is neither a server nor a file, and names a key that is not taken', async () => {
    await expect(ground.connect(server.url, { apiKey: 'wrong' })).rejects.toMatchObject({ code: 'unauthenticated' })
    const unknown = ground.connect(server.url, { environment: 'producton' })
    await expect(unknown).rejects.toMatchObject({ code: 'unknown_environment' })
    await server.close()
    await expect(ground.connect(server.url)).rejects.toBeInstanceOf(SluiceError)
  })

  it('serves on while the server restarts on the same port, and follows it again', async () => {
    await ground.settle(0)
    // None that somebody else may be given while nobody listens on it.
    const { port, release } = await reservePort(undefined)
    const first = await ground.serve(port)
    const sluice = await ground.connect(first.url)
    const failed = next(sluice, 'error')
    await first.close()
    await failed
    expect(servingOf(sluice.resolve(task, conversation('c-1', await now()))).seq).toBe(1)
    await ground.step({ incumbent: 0, candidate: 1 })
    await ground.serve(port)
    await served(sluice, 2)
    release()
  })
})

describe('the snapshot over HTTP', () => {
  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(server.url + path, { headers: { authorization: `Bearer ${ground.appKey}`, ...headers } })

  it('has an ETag, answers 304 to it, tells the time, and is compressed on request', async () => {
    await ground.settle(0)
    const response = await get('/v1/snapshot?environment=production')
    const snapshot = (await response.json()) as { version: string }
    expect(response.headers.get('etag')).toBe(`"${snapshot.version}"`)
    expect(Math.abs(Number(response.headers.get('sluice-time')) - (await now()))).toBeLessThan(60_000)
    const again = await get('/v1/snapshot?environment=production', { 'if-none-match': `"${snapshot.version}"` })
    expect([again.status, await again.text()]).toEqual([304, ''])
    await ground.step({ incumbent: 0, candidate: 1 })
  })

  it('resolves for callers without an SDK', async () => {
    const incumbent = await ground.settle(0)
    const ask = async (body: unknown) => {
      const headers = { authorization: `Bearer ${ground.appKey}`, 'content-type': 'application/json' }
      const response = await fetch(`${server.url}/v1/resolve`, { method: 'POST', headers, body: JSON.stringify(body) })
      return (await response.json()) as Record<string, unknown>
    }
    const question = { environment: 'production', task, tenant: 'acme', conversation: 'c-1' }
    const answer = await ask({ ...question, startedAt: await now() })
    expect(answer).toMatchObject({ composite: { id: incumbent }, arm: 'none', binding: 'b1.1.0' })
    expect(await ask({ ...question, startedAt: 1 })).toEqual({ skip: 'before_first_entry' })
    expect(await ask(question)).toMatchObject({ code: 'start_missing' })
    expect(await ask({ ...question, startedAt: (await now()) + 86_400_000 })).toMatchObject({ code: 'start_in_future' })
    expect(await ask({ ...question, surprise: 1 })).toMatchObject({ code: 'invalid_request' })
  })
})
