import { createSecretKey, randomBytes, randomUUID } from 'node:crypto'
import type { CapturedContent } from '../../../src/domain/capture'
import { Captures } from '../../../src/store/captures'
import type { Store } from '../../../src/store/store'
import { Vault } from '../../../src/store/vault'
import { testStore } from '../../support/ground'

const environment = 'production'
const task = 'csat'
const dayMs = 24 * 3_600_000
const ann = { by: 'ann', reason: 'a complaint' }

let store: Store
let drop: () => Promise<void>
const master = createSecretKey(randomBytes(32))
let captures: Captures

beforeAll(async () => {
  const ground = await testStore()
  store = ground.store
  drop = ground.drop
  captures = new Captures(store.database, new Vault([master]))
  await captures.setPolicy({ environment, task, basisPoints: 10_000, retentionMs: 30 * dayMs, ...ann })
})
afterAll(() => drop())

const request = (changes: Partial<CapturedContent> = {}) => ({
  requestId: randomUUID(),
  task,
  tenant: 'acme',
  conversation: randomUUID(),
  input: { transcript: 'my card 4711 does not work' },
  output: { csat: 2 },
  ...changes,
})
const deliver = (contents: readonly CapturedContent[], by = captures) =>
  by.take({ reporter: 'reporter-1', environment, contents, dropped: 0 })
const read = (of: CapturedContent, by = captures) => by.read({ ...of, environment }, ann)
const state = (of: CapturedContent) => captures.state({ ...of, environment })
const rows = (name: string) => store.database.collection<{ _id: string }>(name)

describe('captured content', () => {
  it('is given back as it was, however often it was delivered', async () => {
    const one = request()
    expect(await deliver([one])).toEqual({ taken: 1, refused: 0 })
    expect(await deliver([one, one])).toEqual({ taken: 2, refused: 0 })
    expect(await read(one)).toEqual({ input: one.input, output: one.output })
    expect(await state(one)).toMatchObject({ state: 'kept', bytes: expect.any(Number) })
  })

  it('stands nowhere in the database in clear, nor does any key', async () => {
    await deliver([request()])
    const collections = (await store.database.db.listCollections().toArray()).map(({ name }) => name)
    for (const name of collections) {
      const text = JSON.stringify(await rows(name).find().toArray())
      expect(text).not.toMatch(/4711|does not work/)
      expect(text).not.toContain(master.export().toString('base64'))
    }
  })

  it('is not read in the place of another request, of the same conversation or another', async () => {
    const conversation = randomUUID()
    const [one, two, other] = [request({ conversation }), request({ conversation }), request()]
    await deliver([one, two, other])
    const contents = await rows('captureContents').find().toArray()
    const of = ({ requestId }: CapturedContent) => contents.find(({ _id }) => _id.endsWith(requestId))
    for (const source of [two, other]) {
      const { _id: _own, ...sealed } = of(source) ?? { _id: '' }
      await rows('captureContents').updateOne({ _id: of(one)?._id ?? '' }, { $set: sealed })
      await expect(read(one)).rejects.toMatchObject({ code: 'capture_unreadable' })
    }
  })

  it('is not found by who names another conversation', async () => {
    const one = request()
    await deliver([one])
    await expect(read({ ...one, conversation: 'another' })).rejects.toMatchObject({ code: 'capture_missing' })
  })

  it('is refused and counted where nobody asked for it, or no key is there', async () => {
    expect(await deliver([request({ task: 'other' })])).toEqual({ taken: 0, refused: 1 })
    const keyless = new Captures(store.database, new Vault([]))
    expect(await deliver([request()], keyless)).toEqual({ taken: 0, refused: 1 })
    expect((await captures.lost(environment)).refused).toBeGreaterThanOrEqual(2)
    const policy = { environment, task, basisPoints: 1, retentionMs: dayMs, ...ann }
    await expect(keyless.setPolicy(policy)).rejects.toMatchObject({ code: 'capture_unavailable' })
  })

  it('of a share is that of whole conversations, the same ones every time', async () => {
    await captures.setPolicy({ environment, task: 'half', basisPoints: 5_000, retentionMs: dayMs, ...ann })
    const contents = Array.from({ length: 80 }, (_, index) =>
      request({ task: 'half', conversation: `c-${index % 40}` }),
    )
    const first = await deliver(contents)
    expect(first.taken % 2).toBe(0)
    expect(first.taken).toBeGreaterThan(16)
    expect(first.taken).toBeLessThan(64)
    expect(await deliver(contents)).toEqual(first)
  })

  it('of two servers at the same moment has one key', async () => {
    const conversation = randomUUID()
    const contents = Array.from({ length: 8 }, () => request({ conversation }))
    await Promise.all(contents.map((one) => deliver([one], new Captures(store.database, new Vault([master])))))
    for (const one of contents) expect(await read(one)).toEqual({ input: one.input, output: one.output })
  })

  it('says that it expired once its time is over', async () => {
    const one = request()
    await deliver([one])
    const past = Date.now() - dayMs
    await rows('captureIndex').updateOne({ _id: new RegExp(one.requestId) as never }, { $set: { expiresAt: past } })
    expect(await state(one)).toMatchObject({ state: 'expired', expiresAt: past })
    await expect(read(one)).rejects.toMatchObject({
      code: 'capture_missing',
      message: expect.stringContaining('expired at'),
    })
  })
})

describe('erasing', () => {
  it('makes every content of the conversation unreadable, once and for all, and says by whom', async () => {
    const conversation = randomUUID()
    const [one, two, other] = [request({ conversation }), request({ conversation }), request()]
    await deliver([one, two, other])
    const first = await captures.erase('acme', conversation, ann)
    expect(first).toMatchObject({ ...ann, erasedNow: true })
    const again = await captures.erase('acme', conversation, { by: 'ben', reason: 'too' })
    expect(again).toEqual({ ...first, erasedNow: false })
    for (const gone of [one, two]) {
      await expect(read(gone)).rejects.toMatchObject({ code: 'capture_erased', details: { by: 'ann', at: first.at } })
      expect(await state(gone)).toMatchObject({ state: 'erased', by: 'ann' })
    }
    expect(await read(other)).toMatchObject({ output: other.output })
    const left = JSON.stringify(
      await rows('captureKeys')
        .find({ erased: { $exists: true } })
        .toArray(),
    )
    expect(left).not.toContain('wrapped')
  })

  it('holds for what is delivered after it, also where nothing had been', async () => {
    const late = request()
    await captures.erase(late.tenant, late.conversation, ann)
    expect(await deliver([late])).toEqual({ taken: 0, refused: 1 })
    expect(await state(late)).toMatchObject({ state: 'erased' })
  })

  it('at the same moment as a delivery leaves nothing that can be read', async () => {
    for (let round = 0; round < 10; round += 1) {
      const one = request()
      await Promise.all([deliver([one]), captures.erase(one.tenant, one.conversation, ann)])
      await expect(read(one)).rejects.toMatchObject({ code: 'capture_erased' })
    }
  })
})

it('records who set, read, reproduced and erased, before anything is shown', async () => {
  const one = request()
  await deliver([one])
  await read(one)
  await captures.read({ ...one, environment }, { by: 'ben', reason: 'r' }, 'reproduce')
  await captures.erase(one.tenant, one.conversation, ann)
  const acts = (await captures.audit({ limit: 3 })).map(({ act, by }) => [act, by])
  expect(acts).toEqual([
    ['erase', 'ann'],
    ['reproduce', 'ben'],
    ['read', 'ann'],
  ])
  const everything = JSON.stringify(await captures.audit())
  expect(everything).not.toContain(one.conversation)
})
