import { exitCodes } from '../../../src/cli/main'
import { drawKey, keyIdOf } from '../../../src/store/api-key'
import type { KnownKey } from '../../../src/store/keys'
import { runCaptured, type TestApi, testApi } from '../../support/api'

describe('API keys', () => {
  let api: TestApi
  beforeAll(async () => {
    api = await testApi()
  })
  afterAll(() => api.stop())
  afterEach(async () => {
    await api.store.database.db.collection('keys').deleteMany({ name: { $ne: 'ann' } })
  })

  const asked = async (key: string, path: string): Promise<number> =>
    (await fetch(api.url + path, { headers: { authorization: `Bearer ${key}` } })).status
  const snapshot = '/v1/snapshot?environment=production'
  const made = async (...args: readonly string[]): Promise<string> => {
    const { code, out } = await api.cli('key', 'create', ...args)
    expect(code).toBe(exitCodes.ok)
    return out.trim()
  }
  const listed = async (): Promise<readonly KnownKey[]> =>
    JSON.parse((await api.cli('key', 'ls', '--json')).out).items as readonly KnownKey[]
  const stored = async () => JSON.stringify(await api.store.database.db.collection('keys').find().toArray())

  it('are drawn by the command line, and open what their role may; nothing keeps them', async () => {
    const app = await made('checkout', '--role', 'app')
    expect(app).toMatch(/^sluice_app_[\w-]{43}$/)
    expect(await asked(app, snapshot)).toBe(200)
    expect(await asked(app, '/v1/keys')).toBe(403)
    const admin = await made('ben', '--role', 'admin')
    expect(await asked(admin, '/v1/keys')).toBe(200)
    expect(await listed()).toMatchObject([
      { name: 'ann', role: 'admin' },
      { name: 'checkout', role: 'app', id: keyIdOf(app), createdBy: 'ann' },
      { name: 'ben', role: 'admin', id: keyIdOf(admin), createdBy: 'ann' },
    ])
    expect(await stored()).not.toContain(app.slice('sluice_app_'.length))
  })

  it('open nothing once they are revoked, and stay on the list', async () => {
    const key = await made('checkout', '--role', 'app')
    const start = keyIdOf(key).slice(0, 'sha256:'.length + 12)
    const { code, out } = await api.cli('key', 'revoke', start)
    expect([code, out]).toEqual([exitCodes.ok, `The app key ${start} of checkout is revoked.\n`])
    expect(await asked(key, snapshot)).toBe(401)
    const [, revoked] = await listed()
    expect(revoked).toMatchObject({ id: keyIdOf(key), revokedBy: 'ann', revokedAt: expect.any(Number) })
    expect((await api.cli('key', 'ls')).out).toMatch(
      new RegExp(`^${start}  checkout  app +just now by ann +just now by ann$`, 'm'),
    )
    const again = await api.call('DELETE', `/v1/keys/${keyIdOf(key)}`)
    expect([again.status, again.body]).toEqual([200, revoked])
    expect(await api.call('PUT', `/v1/keys/${keyIdOf(key)}`, { name: 'checkout', role: 'app' })).toMatchObject({
      status: 409,
      body: { code: 'key_exists' },
    })
    expect(await asked(key, snapshot)).toBe(401)
  })

  it('end the streams that they opened when they are revoked, and no others', async () => {
    const [gone, kept] = [await made('checkout', '--role', 'app'), await made('basket', '--role', 'app')]
    const stopped = new AbortController()
    const ended: string[] = []
    const streams = [gone, kept].map(async (key) => {
      const options = { headers: { authorization: `Bearer ${key}` }, signal: stopped.signal }
      const answer = await fetch(`${api.url}/v1/snapshot/events?environment=production`, options)
      expect(answer.status).toBe(200)
      await answer.text().catch(() => undefined)
      ended.push(key)
    })
    expect(await asked(gone, snapshot)).toBe(200)
    await api.cli('key', 'revoke', keyIdOf(gone))
    await Promise.race(streams)
    expect(ended).toEqual([gone])
    stopped.abort()
    await Promise.all(streams)
  })

  it('are made known once, however often the call is sent', async () => {
    const id = keyIdOf(drawKey('app'))
    const put = (body: unknown) => api.call('PUT', `/v1/keys/${id}`, body)
    const first = await put({ name: 'checkout', role: 'app' })
    expect(first.body).toMatchObject({ id, name: 'checkout', role: 'app', createdBy: 'ann' })
    expect(await put({ name: 'checkout', role: 'app' })).toMatchObject({ status: 200, body: first.body })
    for (const other of [
      { name: 'checkout', role: 'admin' },
      { name: 'basket', role: 'app' },
    ]) {
      expect(await put(other)).toMatchObject({ status: 409, body: { code: 'key_exists' } })
    }
    expect(await listed()).toHaveLength(2)
  })

  it.each(['sluice', 'Sluice', '', ' ann', 'a\nb', 'a'.repeat(64)])('take no name that misleads: %j', async (name) => {
    const answer = await api.call('PUT', `/v1/keys/${keyIdOf(drawKey('app'))}`, { name, role: 'app' })
    expect([answer.status, answer.body]).toMatchObject([400, { code: 'invalid_request' }])
    expect(await listed()).toHaveLength(1)
  })

  it('are not revoked by themselves, so that an admin is always left', async () => {
    const { code, err } = await api.cli('key', 'revoke', keyIdOf(api.key))
    expect(code).toBe(exitCodes.failed)
    expect(err).toContain('Make another admin key')
    const other = await made('ben', '--role', 'admin')
    expect((await runCaptured(['key', 'revoke', keyIdOf(other)], { url: api.url, apiKey: other })).code).toBe(1)
    expect(await asked(api.key, '/v1/keys')).toBe(200)
  })

  it('are made and revoked by admins alone', async () => {
    const key = await made('checkout', '--role', 'app')
    const connection = { url: api.url, apiKey: key }
    for (const args of [['create', 'eve', '--role', 'admin'], ['ls'], ['revoke', keyIdOf(api.key)]]) {
      const { code, err } = await runCaptured(['key', ...args], connection)
      expect([code, err]).toEqual([exitCodes.failed, expect.stringContaining('forbidden')])
    }
    expect(await listed()).toHaveLength(2)
  })

  it('that nobody knows are not revoked', async () => {
    const { code, err } = await api.cli('key', 'revoke', '0123456789ab')
    expect([code, err]).toEqual([exitCodes.failed, expect.stringContaining('`sluice key ls` lists them')])
    expect(await api.call('DELETE', `/v1/keys/${keyIdOf('nobody')}`)).toMatchObject({ status: 404 })
  })
})
