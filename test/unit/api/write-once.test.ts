import { buildServer } from '../../../src/api/server'
import type { Digest } from '../../../src/domain/version'
import { type LaneGround, laneGround, production, type TestLane } from '../../support/lane-ground'

interface Answer {
  readonly seq?: number
  readonly incumbent?: string
  readonly made?: { readonly secret?: string }
}

describe('a mutation that is sent again after the server died before it answered', () => {
  let ground: LaneGround
  let lane: TestLane
  let versions: readonly Digest[]
  let app: ReturnType<typeof buildServer>
  let key: string
  let address: string
  beforeAll(async () => {
    ground = await laneGround()
    app = buildServer({ store: ground.store } as Parameters<typeof buildServer>[0])
    address = await app.listen({ port: 0, host: '127.0.0.1' })
    key = await ground.store.keys.create('ann', 'admin')
    versions = await ground.tested(3)
  })
  beforeEach(async () => {
    lane = await ground.lane()
    for (const version of versions) await lane.settle(version)
  })
  afterAll(async () => {
    await app.close()
    await ground.end()
  })

  async function call(method: 'POST' | 'PUT' | 'DELETE', path: string, idempotencyKey: string, body?: object) {
    const headers = {
      authorization: `Bearer ${key}`,
      'idempotency-key': idempotencyKey,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    }
    const answer = await fetch(address + path, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) })
    return { status: answer.status, body: (await answer.json()) as Answer }
  }
  const onLane = (verb: string, idempotencyKey: string) =>
    call('POST', `/v1/environments/${production}/tasks/${lane.task}/${verb}`, idempotencyKey, { reason: 'odd' })
  const kept = () => ground.store.database.collection('idempotency')

  it('rolls back once, not twice', async () => {
    const first = await onLane('rollback', 'one')
    expect(first).toMatchObject({ status: 200, body: { incumbent: versions[1] } })
    await kept().deleteMany({})
    expect(await onLane('rollback', 'one')).toEqual(first)
    expect((await lane.state()).incumbent).toBe(versions[1])
  })

  it('disables once, whatever happened since', async () => {
    const first = await onLane('disable', 'off')
    await kept().deleteMany({})
    await onLane('enable', 'on')
    await kept().deleteMany({})
    expect((await onLane('disable', 'off')).body.seq).toBe(first.body.seq)
    expect((await lane.state()).disabled).toBe(false)
  })

  it('lifts the hold that was there, and none that came since', async () => {
    const lift = () => call('DELETE', `/v1/holds?environment=${production}&task=${lane.task}&reason=known`, 'lift')
    await lane.rollback({ hold: true })
    const first = await lift()
    expect(first.status).toBe(200)
    await lane.rollback({ hold: true })
    await kept().deleteMany({})
    expect(await lift()).toEqual(first)
    expect((await lane.state()).hold).toBeDefined()
  })

  it('a rollback of a lane whose release has ended asks nobody', async () => {
    const candidate = await ground.composite(7)
    await ground.judge(candidate, versions[2])
    await lane.step(candidate, { releaseId: 'long gone' })
    expect(await onLane('rollback', 'gone')).toMatchObject({ status: 200, body: { incumbent: versions[2] } })
  })

  it('keeps no answer that shows a secret', async () => {
    await kept().deleteMany({})
    const options = { url: 'http://127.0.0.1:9/' }
    const made = await call('PUT', '/v1/channels/partners', 'secret', { type: 'webhook', options })
    expect(made.body.made?.secret).toMatch(/^whsec_/)
    const again = await call('PUT', '/v1/channels/partners', 'secret', { type: 'webhook', options })
    expect(again).toMatchObject({ status: 200 })
    expect(again.body.made).toBeUndefined()
    expect(await kept().countDocuments({})).toBe(0)
  })
})
