import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type CommunicateDeps,
  createCommunicateActivities,
  dispatchOutbox,
  type NoteSource,
} from '../../activities/communicate'
import type { NoteInput } from '../../src/domain/note-input'
import { leaseMs, maxAttempts, pauseAfter } from '../../src/store/outbox'
import type { Store } from '../../src/store/store'
import { testStore } from '../support/ground'
import { messageDraft } from '../support/messages'
import { always, type Receiver, startReceiver } from '../support/receiver'

let store: Store
let drop: () => Promise<void>
let folder: string
let receiver: Receiver | undefined

beforeAll(async () => {
  const ground = await testStore()
  store = ground.store
  drop = ground.drop
})
afterAll(() => drop())
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'outbox-'))
})
afterEach(async () => {
  await receiver?.close()
  receiver = undefined
  await rm(folder, { recursive: true, force: true })
  await store.database.collection('outbox').deleteMany({})
  await store.database.collection('channels').deleteMany({})
})

const start = Date.UTC(2026, 0, 1)
const noSource: NoteSource = { noteInputs: () => notesFrom([]) }

/** A dispatcher whose clock stands at a moment. */
const at = (now: number, source: NoteSource = noSource): CommunicateDeps => ({
  store,
  notesFolder: folder,
  source,
  now: async () => now,
})

async function* notesFrom(inputs: readonly NoteInput[]): AsyncIterable<NoteInput> {
  yield* inputs
}

async function hook(answer: Parameters<typeof startReceiver>[0], options = {}): Promise<Receiver> {
  receiver = await startReceiver(answer)
  await store.outbox.channels.put({ name: 'hook', type: 'webhook', options: { url: receiver.url, ...options } }, 'ann')
  return receiver
}

const enqueue = (...drafts: Parameters<typeof messageDraft>) => store.outbox.enqueue([messageDraft(...drafts)], start)
const stateOf = async (id: string) =>
  (await store.outbox.list({ limit: 200 })).find((message) => message.id === id)?.state
const idsReceived = (from: Receiver) => from.received.map(({ headers }) => headers['webhook-id'])

describe('writing notes into the outbox', () => {
  it('happens once, however often it is asked for', async () => {
    expect(await enqueue()).toEqual({ enqueued: 1, cancelled: 0 })
    expect(await enqueue()).toEqual({ enqueued: 0, cancelled: 0 })
    const several = await Promise.all(Array.from({ length: 8 }, () => enqueue({ tenant: 'other' })))
    expect(several.reduce((sum, { enqueued }) => sum + enqueued, 0)).toBe(1)
    expect((await store.outbox.list({})).map(({ id }) => id)).toEqual(['r1/release/acme/file', 'r1/release/other/file'])
  })

  it('is part of the transaction of its caller', async () => {
    const failed = store.database.transact(async (session) => {
      await store.outbox.enqueue([messageDraft()], start, session)
      throw new Error('the rest failed')
    })
    await expect(failed).rejects.toThrow('the rest failed')
    expect(await store.outbox.list({})).toEqual([])
    await store.database.transact((session) => store.outbox.enqueue([messageDraft()], start, session))
    expect(await store.outbox.list({})).toHaveLength(1)
  })
})

describe('dispatching', () => {
  const tenants = Array.from({ length: 60 }, (_, n) => `tenant-${String(n).padStart(2, '0')}`)

  it('sends every message once, with several dispatchers at work', async () => {
    const hooked = await hook(always(200))
    await store.outbox.enqueue(
      tenants.map((tenant) => messageDraft({ tenant, channel: 'hook' })),
      start,
    )
    const done = await Promise.all([1, 2, 3].map(() => dispatchOutbox(at(start), { limit: 100 })))
    expect(done.reduce((sum, { delivered }) => sum + delivered, 0)).toBe(tenants.length)
    expect(idsReceived(hooked).sort()).toEqual(tenants.map((tenant) => `r1/release/${tenant}/hook`))
    expect(await store.outbox.counts('r1')).toEqual({ delivered: 60, pending: 0, dead: 0, cancelled: 0 })
  })

  it('keeps to its limit', async () => {
    await store.outbox.enqueue(
      tenants.map((tenant) => messageDraft({ tenant })),
      start,
    )
    expect(await dispatchOutbox(at(start), { limit: 7 })).toEqual({ delivered: 7, retried: 0, refused: 0 })
    expect(await store.outbox.counts('r1')).toMatchObject({ delivered: 7, pending: 53 })
  })

  it('sends again under the same id after a sender that died between sending and its receipt', async () => {
    const hooked = await hook(always(200))
    await enqueue({ channel: 'hook' })
    const lost = await store.outbox.claim(start)
    expect(lost?.message.id).toBe('r1/release/acme/hook')
    expect(await dispatchOutbox(at(start + leaseMs - 1), { limit: 10 })).toMatchObject({ delivered: 0 })
    expect(await dispatchOutbox(at(start + leaseMs), { limit: 10 })).toMatchObject({ delivered: 1 })
    expect(idsReceived(hooked)).toEqual(['r1/release/acme/hook'])
    expect((await store.outbox.list({}))[0]).toMatchObject({ id: lost?.message.id, state: 'delivered', attempts: 2 })
  })

  it('heeds no verdict of a sender whose lease another one has taken over, but its receipt', async () => {
    await enqueue()
    const slow = await store.outbox.claim(start)
    const second = await store.outbox.claim(start + leaseMs)
    if (!slow || !second) throw new Error('two claims were expected')
    await store.outbox.settle(slow, { result: 'refused', reason: 'late' }, start + leaseMs)
    expect(await stateOf(slow.message.id)).toBe('pending')
    await store.outbox.settle(slow, { result: 'delivered', receipt: 'late' }, start + leaseMs)
    expect(await stateOf(slow.message.id)).toBe('delivered')
    await store.outbox.settle(second, { result: 'refused', reason: 'twice' }, start + leaseMs)
    expect(await stateOf(slow.message.id)).toBe('delivered')
  })

  it('waits longer after every failure, and as long as the receiver asks', async () => {
    await hook((response, nth) => {
      response.writeHead(503, nth === 2 ? { 'retry-after': '600' } : {}).end()
    })
    await enqueue({ channel: 'hook' })
    const waits: number[] = []
    let now = start
    for (let attempt = 1; attempt <= 4; attempt += 1) {
      expect(await dispatchOutbox(at(now), { limit: 5 })).toEqual({ delivered: 0, retried: 1, refused: 0 })
      const dueAt = (await store.outbox.list({}))[0]?.dueAt ?? 0
      waits.push(dueAt - now)
      expect(await dispatchOutbox(at(dueAt - 1), { limit: 5 })).toMatchObject({ retried: 0 })
      now = dueAt
    }
    expect(waits).toEqual([pauseAfter(1), pauseAfter(2), 600_000, pauseAfter(4)])
  })

  it('makes a dead letter of what is refused, and of what has no channel', async () => {
    await hook(always(410))
    await store.outbox.enqueue([messageDraft({ channel: 'hook' }), messageDraft({ channel: 'gone' })], start)
    expect(await dispatchOutbox(at(start), { limit: 10 })).toEqual({ delivered: 0, retried: 0, refused: 2 })
    const errors = (await store.outbox.list({ state: 'dead' })).map(({ lastError }) => lastError)
    expect(errors).toEqual([expect.stringContaining('gone'), expect.stringContaining('410')])
  })

  it('sends nothing through a channel that was turned off meanwhile', async () => {
    const hooked = await hook(always(200))
    await enqueue({ channel: 'hook' })
    const options = { url: hooked.url }
    await store.outbox.channels.put({ name: 'hook', type: 'webhook', enabled: false, options }, 'ann')
    expect(await dispatchOutbox(at(start), { limit: 1 })).toMatchObject({ refused: 1 })
    expect(hooked.received).toEqual([])
  })

  it('sends nothing of one tenant through a channel that was given to another meanwhile', async () => {
    const hooked = await hook(always(200))
    await store.outbox.enqueue(
      ['acme', 'beta'].map((tenant) => messageDraft({ tenant, channel: 'hook' })),
      start,
    )
    await store.outbox.channels.put(
      { name: 'hook', type: 'webhook', tenant: 'beta', options: { url: hooked.url } },
      'ann',
    )
    expect(await dispatchOutbox(at(start), { limit: 5 })).toEqual({ delivered: 1, retried: 0, refused: 1 })
    expect(idsReceived(hooked)).toEqual(['r1/release/beta/hook'])
    expect(await store.outbox.list({ state: 'dead' })).toMatchObject([
      { tenant: 'acme', lastError: 'the channel hook reaches another tenant only' },
    ])
  })

  it('gives up after the last attempt, also where every sender vanished', async () => {
    await enqueue()
    let now = start
    for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
      expect(await store.outbox.claim(now)).toBeDefined()
      now += leaseMs
    }
    expect(await store.outbox.claim(now)).toBeUndefined()
    await dispatchOutbox(at(now), { limit: 1 })
    expect(await store.outbox.list({ state: 'dead' })).toMatchObject([{ attempts: maxAttempts }])
  })

  it('sends a dead letter again when it is told to, with a new round of attempts', async () => {
    const hooked = await hook((response, nth) => {
      response.writeHead(nth === 0 ? 404 : nth === 1 ? 500 : 200).end()
    })
    await enqueue({ channel: 'hook' })
    await dispatchOutbox(at(start), { limit: 1 })
    const id = 'r1/release/acme/hook'
    const again = await store.outbox.resend(id, 'ann', start + 5)
    expect(again).toMatchObject({ state: 'pending', resentBy: 'ann', dueAt: start + 5, allowed: 1 + maxAttempts })
    await dispatchOutbox(at(start + 5), { limit: 1 })
    expect((await store.outbox.list({}))[0]?.dueAt).toBe(start + 5 + pauseAfter(1))
    await dispatchOutbox(at(start + 5 + pauseAfter(1)), { limit: 1 })
    expect(await stateOf(id)).toBe('delivered')
    expect(idsReceived(hooked)).toEqual([id, id, id])
    await expect(store.outbox.resend(id, 'ann', start)).rejects.toMatchObject({ code: 'not_dead_letter' })
    await expect(store.outbox.resend('r9/x', 'ann', start)).rejects.toMatchObject({ code: 'not_found' })
  })
})

describe('a retraction', () => {
  const retract = () => enqueue({ kind: 'retraction' })
  const note = 'r1/release/acme/file'
  const retraction = 'r1/retraction/acme/file'

  it('cancels a note that nobody was sent, and is not sent itself', async () => {
    await enqueue()
    expect(await retract()).toEqual({ enqueued: 0, cancelled: 1 })
    expect(await dispatchOutbox(at(start + leaseMs), { limit: 10 })).toMatchObject({ delivered: 0 })
    expect(await store.outbox.list({})).toMatchObject([{ id: note, state: 'cancelled' }])
    expect(await readdir(folder)).toEqual([])
  })

  it('of a note that was never written does nothing, and what is kept out is not written late', async () => {
    expect(await retract()).toEqual({ enqueued: 0, cancelled: 0 })
    await store.outbox.keepOut([messageDraft()], start)
    expect(await enqueue()).toEqual({ enqueued: 0, cancelled: 0 })
    expect(await retract()).toEqual({ enqueued: 0, cancelled: 1 })
    expect(await dispatchOutbox(at(start), { limit: 10 })).toMatchObject({ delivered: 0 })
    expect(await store.outbox.list({})).toMatchObject([{ id: note, state: 'cancelled' }])
  })

  it('leaves alone what was written where a place was to be kept', async () => {
    await enqueue()
    await store.outbox.keepOut([messageDraft()], start)
    expect(await stateOf(note)).toBe('pending')
  })

  it('finds every note that went out, page by page, and none of another release or kept out', async () => {
    const tenants = Array.from({ length: 450 }, (_, n) => `tenant-${String(n).padStart(3, '0')}`)
    await store.outbox.enqueue(
      tenants.map((tenant) => messageDraft({ tenant })),
      start,
    )
    await store.outbox.enqueue([messageDraft({ release: 'r1/release/r2' }), messageDraft({ release: 'r10' })], start)
    await store.outbox.keepOut([messageDraft({ tenant: 'unheard' })], start)
    await enqueue({ tenant: 'tenant-000', kind: 'retraction' })
    const found: string[] = []
    for await (const { tenant, audience, channel } of store.outbox.told('r1')) {
      expect([audience, channel]).toEqual([{ kind: 'affected' }, 'file'])
      found.push(tenant.id)
    }
    expect(found).toEqual(tenants.slice(1))
  })

  it('follows a note that was delivered', async () => {
    await enqueue()
    await dispatchOutbox(at(start), { limit: 10 })
    expect(await retract()).toEqual({ enqueued: 1, cancelled: 0 })
    expect(await retract()).toEqual({ enqueued: 0, cancelled: 0 })
    await dispatchOutbox(at(start), { limit: 10 })
    expect([await stateOf(note), await stateOf(retraction)]).toEqual(['delivered', 'delivered'])
  })

  it('waits for an attempt that is under way, and ends all later ones', async () => {
    await enqueue()
    const underWay = await store.outbox.claim(start)
    if (!underWay) throw new Error('a claim was expected')
    expect(await retract()).toEqual({ enqueued: 1, cancelled: 0 })
    expect(await dispatchOutbox(at(start + leaseMs - 1), { limit: 10 })).toMatchObject({ delivered: 0 })
    await store.outbox.settle(underWay, { result: 'retry', reason: 'broken pipe' }, start)
    expect(await stateOf(note)).toBe('cancelled')
    expect(await dispatchOutbox(at(start + leaseMs), { limit: 10 })).toMatchObject({ delivered: 1 })
    expect([await stateOf(note), await stateOf(retraction)]).toEqual(['cancelled', 'delivered'])
  })

  it('ends the re-sending of a dead letter', async () => {
    await enqueue({ channel: 'gone' })
    await dispatchOutbox(at(start), { limit: 10 })
    await enqueue({ kind: 'retraction', channel: 'gone' })
    await expect(store.outbox.resend('r1/release/acme/gone', 'ann', start)).rejects.toMatchObject({
      code: 'not_dead_letter',
    })
  })

  it('and a sender that starts at the same moment agree on who was first', async () => {
    for (let round = 0; round < 20; round += 1) {
      const tenant = `tenant-${round}`
      await enqueue({ tenant })
      const [retracted, sent] = await Promise.all([
        enqueue({ tenant, kind: 'retraction' }),
        dispatchOutbox(at(start), { limit: 1 }),
      ])
      await dispatchOutbox(at(start + leaseMs), { limit: 10 })
      expect(sent.delivered).toBe(retracted.enqueued)
      expect(await stateOf(`r1/release/${tenant}/file`)).toBe(sent.delivered === 1 ? 'delivered' : 'cancelled')
    }
  })
})

describe('the activities', () => {
  const inputs = (['acme', 'beta'] as const).map((tenant) => messageDraft({ tenant }).data as unknown as NoteInput)
  const source: NoteSource = { noteInputs: () => notesFrom(inputs) }

  it('write and deliver the notes of a release, and tell how it stands', async () => {
    const { enqueueNotes, deliverNotes } = createCommunicateActivities(at(start, source))
    expect(await enqueueNotes({ releaseId: 'r1', kind: 'release' })).toEqual({ enqueued: 2, cancelled: 0 })
    expect(await enqueueNotes({ releaseId: 'r1', kind: 'release' })).toEqual({ enqueued: 0, cancelled: 0 })
    expect(await deliverNotes({ releaseId: 'r1' })).toEqual({ delivered: 2, failed: 0, pending: 0 })
    expect((await readdir(folder)).sort()).toEqual(['acme', 'beta'])
  })

  it('deliver only their own release, and leave what cannot be delivered now', async () => {
    const hooked = await hook((response, nth) => {
      response.writeHead(nth === 0 ? 410 : 503).end()
    })
    await enqueue({ release: 'r2', channel: 'hook' })
    await enqueue({ tenant: 'a', channel: 'hook' })
    const { deliverNotes } = createCommunicateActivities(at(start))
    expect(await deliverNotes({ releaseId: 'r1' })).toEqual({ delivered: 0, failed: 1, pending: 0 })
    expect(await deliverNotes({ releaseId: 'r2' })).toEqual({ delivered: 0, failed: 0, pending: 1 })
    expect(hooked.received).toHaveLength(2)
  })

  it('wait for no receiver that is down or asks for hours: the dispatcher goes on with it', async () => {
    await hook((response) => {
      response.writeHead(503, { 'retry-after': '3600' }).end()
    })
    await enqueue({ channel: 'hook' })
    const deliverAt = (now: number) => createCommunicateActivities(at(now)).deliverNotes({ releaseId: 'r1' })
    expect(await deliverAt(start)).toEqual({ delivered: 0, failed: 0, pending: 1 })
    expect(await deliverAt(start + 30_000)).toEqual({ delivered: 0, failed: 0, pending: 1 })
    expect(await deliverAt(start + 90_000)).toEqual({ delivered: 0, failed: 1, pending: 0 })
    expect(await stateOf('r1/release/acme/hook')).toBe('pending')
  })

  it('send through every channel that reaches the tenant', async () => {
    await hook(always(200))
    const url = receiver?.url
    await store.outbox.channels.put({ name: 'beta-only', type: 'webhook', tenant: 'beta', options: { url } }, 'ann')
    await store.outbox.channels.put({ name: 'off', type: 'webhook', enabled: false, options: { url } }, 'ann')
    await createCommunicateActivities(at(start, source)).enqueueNotes({ releaseId: 'r1', kind: 'release' })
    expect((await store.outbox.list({})).map(({ id }) => id)).toEqual([
      'r1/release/acme/file',
      'r1/release/acme/hook',
      'r1/release/beta/beta-only',
      'r1/release/beta/file',
      'r1/release/beta/hook',
    ])
  })
})
