import type { Store } from '../../src/store/store'
import { testStore } from '../support/ground'

let store: Store
let drop: () => Promise<void>

beforeAll(async () => {
  const ground = await testStore()
  store = ground.store
  drop = ground.drop
})
afterAll(() => drop())
afterEach(() => store.database.collection('channels').deleteMany({}))

describe('channels', () => {
  const url = 'https://example.com/hook'

  it('have a built-in one, which can be turned off', async () => {
    const { channels } = store.outbox
    expect(await channels.list()).toEqual([{ name: 'file', type: 'file', enabled: true, options: {} }])
    await channels.put({ name: 'file', type: 'file', enabled: false, options: {} }, 'ann')
    expect(await channels.namesFor('acme')).toEqual([])
    expect(await channels.list()).toMatchObject([{ name: 'file', enabled: false }])
  })

  it('show a secret once, keep it when the rest changes, and take a new one', async () => {
    const { channels } = store.outbox
    const first = await channels.put({ name: 'hook', type: 'webhook', options: { url } }, 'ann')
    const secret = first.made.secret
    expect(secret).toMatch(/^whsec_/)
    expect(first.channel.options).toEqual({ url })
    const second = await channels.put({ name: 'hook', type: 'webhook', options: { url, timeoutMs: 1_000 } }, 'ann')
    expect(second.made).toEqual({})
    expect((await channels.find('hook'))?.options).toEqual({ url, timeoutMs: 1_000, secret })
    const own = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
    await channels.put({ name: 'hook', type: 'webhook', options: { url, secret: own } }, 'ann')
    expect((await channels.find('hook'))?.options.secret).toBe(own)
    expect(JSON.stringify(await channels.list())).not.toContain('whsec_')
  })

  it.each([
    { url: 'ftp://example.com' },
    {},
    { url, more: 1 },
    { url, secret: 'short' },
    { url: 'https://ann:hidden@example.com/hook' },
    { url: 'https://ann@example.com/hook' },
    { url: 'https://:hidden@example.com/hook' },
  ])('refuse %j', async (options) => {
    const put = store.outbox.channels.put({ name: 'hook', type: 'webhook', options }, 'ann')
    await expect(put).rejects.toMatchObject({ code: 'invalid_request', message: expect.not.stringContaining('hidden') })
    expect(await store.outbox.channels.find('hook')).toBeUndefined()
  })

  it('say of a user name in the URL that the signature authenticates', async () => {
    const options = { url: 'https://ann:hidden@example.com/hook' }
    const put = store.outbox.channels.put({ name: 'hook', type: 'webhook', options }, 'ann')
    await expect(put).rejects.toThrow('url: the signature authenticates; leave user name and password out')
  })
})
