import { dispatchOutbox } from '../../activities/communicate'
import type { ApiDeps, App } from '../../src/api/app'
import { buildServer } from '../../src/api/server'
import { exitCodes, runCli } from '../../src/cli/main'
import type { Store } from '../../src/store/store'
import { testStore } from '../support/ground'
import { messageDraft } from '../support/messages'

let store: Store
let drop: () => Promise<void>
let app: App
let url: string
let apiKey: string
const now = Date.UTC(2026, 0, 1)

beforeAll(async () => {
  const ground = await testStore()
  store = ground.store
  drop = ground.drop
  app = buildServer({ store } as ApiDeps)
  url = await app.listen({ port: 0, host: '127.0.0.1' })
  apiKey = await store.keys.create('ann', 'admin')
  await store.outbox.enqueue(
    ['acme', 'beta', 'gone'].map((tenant) => messageDraft({ tenant, channel: tenant === 'gone' ? 'gone' : 'file' })),
    now,
  )
  const lost = { store, notesFolder: '/dev/null', now: async () => now }
  await dispatchOutbox(lost, { limit: 10 })
})
afterAll(async () => {
  await app.close()
  await drop()
})

/** What the routes under test answer, as far as the tests look at it. */
interface Answer {
  readonly items: readonly { readonly tenant: string }[]
  readonly next?: string
  readonly code?: string
}

async function call(method: string, path: string, body?: unknown, key = apiKey) {
  const response = await fetch(url + path, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      'idempotency-key': `${method} ${path} ${JSON.stringify(body)}`.slice(0, 100),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: response.status, body: (await response.json()) as Answer }
}

describe('the API of notes', () => {
  it('lists the notes of a release, of one tenant, in pages', async () => {
    const all = await call('GET', '/v1/releases/r1/notes')
    expect(all.body.items.map(({ tenant }) => tenant)).toEqual(['acme', 'beta', 'gone'])
    expect(all.body.items[0]).toMatchObject({ markdown: messageDraft().markdown, data: messageDraft().data })
    expect((await call('GET', '/v1/releases/r1/notes?tenant=beta')).body.items).toHaveLength(1)
    expect((await call('GET', '/v1/releases/r2/notes')).body).toEqual({ items: [] })
    const first = await call('GET', '/v1/releases/r1/notes?limit=2')
    expect(first.body.items).toHaveLength(2)
    const rest = await call('GET', `/v1/releases/r1/notes?limit=2&after=${encodeURIComponent(first.body.next ?? '')}`)
    expect(rest.body.items.map(({ tenant }) => tenant)).toEqual(['gone'])
    expect(rest.body.next).toBeUndefined()
  })

  it('lists dead letters and sends them again', async () => {
    const dead = await call('GET', '/v1/outbox?state=dead')
    expect(dead.body.items).toMatchObject([{ id: 'r1/release/gone/gone', lastError: expect.stringContaining('gone') }])
    const id = encodeURIComponent('r1/release/gone/gone')
    expect((await call('POST', `/v1/outbox/${id}/resend`, {})).body).toMatchObject({ state: 'pending' })
    expect((await store.outbox.list({ tenant: 'gone' }))[0]).toMatchObject({ resentBy: 'ann' })
    const pending = encodeURIComponent('r1/release/acme/file')
    const refused = await call('POST', `/v1/outbox/${pending}/resend`, {})
    expect(refused).toMatchObject({ status: 409, body: { code: 'not_dead_letter' } })
    expect(await call('POST', '/v1/outbox/nothing/resend', {})).toMatchObject({ status: 404 })
  })

  it('sets channels up and never shows a secret twice', async () => {
    const put = { type: 'webhook', options: { url: 'https://example.com/hook' }, tenant: 'acme' }
    const made = await call('PUT', '/v1/channels/hook', put)
    expect(made).toMatchObject({
      status: 200,
      body: { name: 'hook', made: { secret: expect.stringMatching(/^whsec_/) } },
    })
    const listed = await call('GET', '/v1/channels')
    expect(listed.body.items).toMatchObject([{ name: 'file' }, { name: 'hook', tenant: 'acme' }])
    expect(JSON.stringify(listed.body)).not.toContain('whsec_')
  })

  it.each([
    ['PUT', '/v1/channels/hook', { type: 'pigeon', options: {} }],
    ['PUT', '/v1/channels/Hook', { type: 'file' }],
    ['PUT', '/v1/channels/hook', { type: 'file', options: {}, owner: 'ann' }],
    ['PUT', '/v1/channels/hook', { type: 'webhook', options: { url: 'nowhere' } }],
    ['GET', '/v1/outbox?state=lost', undefined],
    ['GET', '/v1/outbox?limit=0', undefined],
  ])('refuses %s %s %j', async (method, path, body) => {
    expect(await call(method, path, body)).toMatchObject({ status: 400, body: { code: 'invalid_request' } })
  })

  it('is closed to applications', async () => {
    const appKey = await store.keys.create('app', 'app')
    for (const path of ['/v1/releases/r1/notes', '/v1/outbox', '/v1/channels']) {
      expect(await call('GET', path, undefined, appKey)).toMatchObject({ status: 403 })
    }
  })
})

describe('sluice notes', () => {
  async function run(...args: string[]) {
    let out = ''
    let err = ''
    const output = { out: (text: string) => (out += text), err: (text: string) => (err += text) }
    const environment = { SLUICE_URL: url, SLUICE_API_KEY: apiKey }
    const code = await runCli(['notes', ...args], { environment, directory: '/', output })
    return { code, out, err }
  }

  it('lists who was told what', async () => {
    const { code, out } = await run('r1')
    expect(code).toBe(exitCodes.ok)
    expect(out.split('\n')[1]).toMatch(/^acme +file +pending +csat-scoring has changed$/)
  })

  it('shows one tenant its note in the format asked for', async () => {
    const note = messageDraft({ tenant: 'beta' })
    expect((await run('r1', '--tenant', 'beta')).out).toBe(note.markdown)
    expect((await run('r1', '--tenant', 'beta', '--format', 'html')).out).toBe(note.html)
    expect(JSON.parse((await run('r1', '--tenant', 'beta', '--format', 'json')).out)).toEqual(note.data)
  })

  it('answers programs with --json, and says where there is nothing', async () => {
    expect(JSON.parse((await run('r1', '--json')).out)).toHaveLength(3)
    expect(await run('r2')).toMatchObject({ code: exitCodes.ok, out: 'No notes of release r2.\n' })
  })

  it('refuses a format that it does not know', async () => {
    expect(await run('r1', '--format', 'pdf')).toMatchObject({ code: exitCodes.usage })
  })
})
