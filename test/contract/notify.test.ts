import { createHmac } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { reservePort } from '../../src/embedded/ports'
import { channels, channelTypes } from '../../src/notify'
import type { Delivery } from '../../src/notify/channel'
import { webhookId, webhookSignature } from '../../src/notify/webhook'
import { message } from '../support/messages'
import { always, type Receiver, startReceiver } from '../support/receiver'

const now = Date.UTC(2026, 0, 2, 3, 4, 5, 678)
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'notes-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const context = () => ({ now, folder })

describe.each(channelTypes)('every channel: %s', (type) => {
  const channel = channels[type]

  it('stands under its own name', () => {
    expect(channel.name).toBe(type)
  })

  it('refuses options that it does not know', async () => {
    const delivery = await channel.send(message(), { ...channel.defaults(), unknown: true }, context())
    expect(delivery).toMatchObject({ result: 'refused', reason: expect.stringContaining('unknown') })
    expect(await readdir(folder)).toEqual([])
  })

  it('makes every secret by itself, and a fresh one each time', () => {
    for (const secret of channel.secrets) {
      expect(channel.defaults()[secret]).toEqual(expect.any(String))
      expect(channel.defaults()[secret]).not.toBe(channel.defaults()[secret])
    }
  })
})

describe('file', () => {
  const send = (about: Parameters<typeof message>[0] = {}, options = {}) =>
    channels.file.send(message(about), options, context())

  it('writes the note in every format, and the same files when it is sent again', async () => {
    const first = await send()
    const second = await send()
    expect(second).toEqual(first)
    expect(first).toEqual({ result: 'delivered', receipt: 'acme/r1.release' })
    expect((await readdir(join(folder, 'acme'))).sort()).toEqual([
      'r1.release.html',
      'r1.release.json',
      'r1.release.md',
    ])
    expect(await readFile(join(folder, 'acme', 'r1.release.md'), 'utf8')).toBe(message().markdown)
  })

  it.each(['../../etc', '..', '.', 'a/b', 'C:\\x', 'x'.repeat(5_000), '\u0000', 'ACME'])(
    'keeps tenant %j inside the folder',
    async (tenant) => {
      expect(await send({ tenant })).toMatchObject({ result: 'delivered' })
      expect(await send({ tenant: 'acme' })).toMatchObject({ result: 'delivered' })
      const names = (await readdir(folder)).map((name) => name.toLowerCase())
      expect(new Set(names).size).toBe(2)
      expect((await readdir(folder, { recursive: true })).filter((path) => path.endsWith('.md'))).toHaveLength(2)
    },
  )

  it('does not leave the folder for notes by its options', async () => {
    expect(await send({}, { folder: '../elsewhere' })).toMatchObject({ result: 'refused' })
    expect(await send({}, { folder: 'partners' })).toMatchObject({ result: 'delivered' })
    expect(await readdir(folder)).toEqual(['partners'])
  })

  it('tries again later where it cannot write, and leaves nothing half-written', async () => {
    await writeFile(join(folder, 'acme'), 'in the way')
    expect(await send()).toMatchObject({ result: 'retry', reason: expect.stringContaining('EEXIST') })
    expect(await readdir(folder)).toEqual(['acme'])
  })
})

describe('webhook', () => {
  const secret = `whsec_${Buffer.from('a key of thirty-two bytes, really').toString('base64')}`
  let receiver: Receiver | undefined
  afterEach(() => receiver?.close())

  async function sendTo(answer: Parameters<typeof startReceiver>[0], options = {}): Promise<Delivery> {
    receiver = await startReceiver(answer)
    return channels.webhook.send(message(), { url: receiver.url, secret, ...options }, context())
  }

  it('signs id, timestamp and body as Standard Webhooks asks', async () => {
    expect(await sendTo(always(204))).toEqual({ result: 'delivered', receipt: 'HTTP 204' })
    const [request] = receiver?.received ?? []
    const headers = request?.headers ?? {}
    expect(headers['webhook-id']).toBe('r1/release/acme/file')
    expect(headers['webhook-timestamp']).toBe('1767323045')
    const key = Buffer.from('a key of thirty-two bytes, really')
    const signed = createHmac('sha256', key).update(`r1/release/acme/file.1767323045.${request?.body}`)
    expect(headers['webhook-signature']).toBe(`v1,${signed.digest('base64')}`)
    const body = JSON.parse(request?.body ?? '')
    expect(body).toEqual({ type: 'note.release', timestamp: '2026-01-01T00:00:00.000Z', data: message().data })
  })

  it('agrees with the published example of the specification', async () => {
    const published = {
      secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
      id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      timestamp: '1614265330',
      body: '{"test": 2432232314}',
    }
    expect(webhookSignature(published.secret, published.id, published.timestamp, published.body)).toBe(
      'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    )
  })

  it('says the same bytes under the same id on every attempt', async () => {
    receiver = await startReceiver(always(500))
    for (const later of [0, 60_000]) {
      await channels.webhook.send(message(), { url: receiver.url, secret }, { now: now + later, folder })
    }
    const [first, second] = receiver.received
    expect(second?.body).toBe(first?.body)
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id'])
    expect(second?.headers['webhook-timestamp']).not.toBe(first?.headers['webhook-timestamp'])
  })

  it.each([200, 201, 202, 299])('takes %i as delivered', async (status) => {
    expect(await sendTo(always(status))).toMatchObject({ result: 'delivered' })
  })

  it.each([400, 401, 404, 410, 422])('gives up at %i', async (status) => {
    expect(await sendTo(always(status))).toMatchObject({
      result: 'refused',
      reason: expect.stringContaining(`${status}`),
    })
  })

  it('says of 410 that the receiver wants no more', async () => {
    expect(await sendTo(always(410))).toMatchObject({ reason: expect.stringContaining('wants no more messages') })
  })

  it.each([408, 429, 500, 502, 503])('tries again after %i', async (status) => {
    expect(await sendTo(always(status))).toEqual({ result: 'retry', reason: `the receiver answered HTTP ${status}` })
  })

  it('follows no redirect: the signature is for this receiver', async () => {
    const delivery = await sendTo(always(307, { location: '/elsewhere' }))
    expect(delivery).toMatchObject({ result: 'refused' })
    expect(receiver?.received).toHaveLength(1)
  })

  it.each([
    ['120', 120_000],
    [new Date(now - 678 + 30_000).toUTCString(), 30_000 - 678],
    ['999999', 3_600_000],
    ['-5', undefined],
    ['soon', undefined],
  ])('reads retry-after %s', async (text, retryAfterMs) => {
    const delivery = await sendTo(always(429, { 'retry-after': text }))
    expect('retryAfterMs' in delivery ? delivery.retryAfterMs : undefined).toBe(retryAfterMs)
  })

  it('tries again where nobody answers in time', async () => {
    const delivery = await sendTo(() => undefined, { timeoutMs: 100 })
    expect(delivery).toEqual({ result: 'retry', reason: 'the receiver did not answer in time' })
  })

  it('tries again where the connection breaks or nobody listens', async () => {
    expect(await sendTo((response) => response.destroy())).toMatchObject({ result: 'retry' })
    const { port, release } = await reservePort(undefined)
    const url = `http://127.0.0.1:${port}/hook`
    expect(await channels.webhook.send(message(), { url, secret }, context())).toMatchObject({
      result: 'retry',
      reason: expect.stringContaining('ECONNREFUSED'),
    })
    release()
  })

  it('tells nothing of the URL where it cannot be fetched: receivers are known by it', async () => {
    const url = 'https://receiver.example/hidden'
    const fetching = jest.spyOn(globalThis, 'fetch').mockRejectedValue(new TypeError(`cannot fetch ${url}`))
    const delivery = await channels.webhook.send(message(), { url, secret }, context())
    fetching.mockRestore()
    expect(delivery).toEqual({ result: 'retry', reason: 'the receiver cannot be reached (TypeError)' })
  })

  it('sends nothing to a URL with a password, and does not repeat it', async () => {
    const delivery = await channels.webhook.send(message(), { url: 'https://ann:hidden@a.example', secret }, context())
    expect(delivery).toMatchObject({
      result: 'refused',
      reason: expect.stringContaining('the signature authenticates'),
    })
    expect(JSON.stringify(delivery)).not.toContain('hidden')
  })

  it('carries any tenant in a header, each its own', () => {
    expect(webhookId('r1/release/Zürich 株/hook')).toBe('r1/release/Z%C3%BCrich%20%E6%A0%AA/hook')
    expect(webhookId('r1/release/a.b/hook')).toBe('r1/release/a%2Eb/hook')
    expect(webhookId('r1/release/a%2Eb/hook')).toBe('r1/release/a%252Eb/hook')
    expect(webhookId('r1/release/a\r\nb\ud800/hook')).toMatch(/^[\x21-\x7e]+$/)
  })
})
