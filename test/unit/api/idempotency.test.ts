import { digestOf } from '../../../src/store/canonical'
import { createIdempotencyStore } from '../../../src/store/idempotency'
import { type TestApi, testApi } from '../../support/api'

const draft = (name: string, text = 'a') => ({
  kind: 'prompt',
  name,
  semver: '1.0.0',
  content: { text },
  description: 'for a test',
})

describe('Idempotency-Key', () => {
  let api: TestApi
  beforeAll(async () => {
    api = await testApi()
  })
  afterAll(() => api.stop())

  const post = (key: string, body: unknown) => api.call('POST', '/v1/artifacts', body, { 'idempotency-key': key })

  it('gives the stored answer to the same request, whatever happened since', async () => {
    const first = await post('same', draft('same'))
    expect(first.status).toBe(201)
    const second = await post('same', draft('same'))
    expect(second).toMatchObject({ status: 201, body: first.body })
    expect(second.headers.get('idempotency-replayed')).toBe('true')
    expect(second.headers.get('content-type')).toBe(first.headers.get('content-type'))
  })

  it('refuses the key for another request', async () => {
    await post('other', draft('other'))
    expect(await post('other', draft('other', 'b'))).toMatchObject({
      status: 409,
      body: { code: 'idempotency_conflict' },
    })
  })

  it('gives a stored refusal too', async () => {
    await post('refused-1', draft('refused'))
    const first = await post('refused-2', draft('refused', 'b'))
    expect(first).toMatchObject({ status: 409, body: { code: 'version_exists' } })
    const second = await post('refused-2', draft('refused', 'b'))
    expect(second).toMatchObject({ status: 409, body: first.body })
    expect(second.headers.get('content-type')).toMatch(/^application\/problem\+json/)
  })

  it('runs once what arrives many times at once', async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, () => post('at-once', draft('at-once'))))
    expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => 201))
    expect(answers.filter((answer) => answer.headers.get('idempotency-replayed') === null)).toHaveLength(1)
  })

  it('says that the first call still runs, where it does not end in time', async () => {
    const id = digestOf({ caller: 'ann', role: 'admin', key: 'under way' })
    const request = digestOf({ method: 'POST', url: '/v1/artifacts', body: draft('under-way') })
    expect(await api.store.idempotency.claim({ id, request, owner: 'another server' })).toMatchObject({ state: 'run' })
    const refused = { status: 409, body: { code: 'request_in_progress' } }
    expect(await post('under way', draft('under-way'))).toMatchObject(refused)
    expect((await api.call('GET', '/v1/artifacts/prompt/under-way')).body.items).toEqual([])
  })

  it('belongs to one caller', async () => {
    await post('mine', draft('mine'))
    const key = await api.store.keys.create('bob', 'admin')
    const other = await api.call('POST', '/v1/artifacts', draft('yours'), {
      'idempotency-key': 'mine',
      authorization: `Bearer ${key}`,
    })
    expect(other).toMatchObject({ status: 201, body: { version: { name: 'yours', author: 'bob' } } })
  })

  it('is one text of at most 200 characters', async () => {
    expect(await post('x'.repeat(201), draft('long'))).toMatchObject({ status: 400, body: { code: 'invalid_request' } })
  })

  it('is not asked for', async () => {
    expect((await api.call('POST', '/v1/artifacts', draft('without'))).status).toBe(201)
  })
})

describe('the store of idempotent answers', () => {
  let api: TestApi
  beforeAll(async () => {
    api = await testApi()
  })
  afterAll(() => api.stop())

  const request = `sha256:${'1'.repeat(64)}` as const
  const answer = { status: 200, type: 'application/json', body: '{}' }

  it('lets another attempt take over only once the lease of the first has run out', async () => {
    const store = createIdempotencyStore(api.store.database)
    const first = { id: 'lease', request, owner: 'first' }
    const second = { ...first, owner: 'second' }
    expect(await store.claim(first)).toMatchObject({ state: 'run' })
    expect(await store.claim(second)).toEqual({ state: 'busy' })
    const expire = () =>
      api.store.database
        .collection<{ _id: string }>('idempotency')
        .updateOne({ _id: 'lease' }, { $set: { leaseUntil: new Date(0) } })
    await expire()
    await store.renew(first)
    expect(await store.claim(second)).toEqual({ state: 'busy' })
    await expire()
    expect(await store.claim(second)).toMatchObject({ state: 'run' })
    await store.answer(first, { ...answer, body: 'late' })
    expect(await store.claim({ ...first, owner: 'third' })).toEqual({ state: 'busy' })
    await store.answer(second, answer)
    expect(await store.claim({ ...first, owner: 'third' })).toEqual({ state: 'answered', answer })
  })

  it('forgets an attempt that came to nothing', async () => {
    const store = createIdempotencyStore(api.store.database)
    const first = { id: 'released', request, owner: 'first' }
    await store.claim(first)
    await store.release(first)
    expect(await store.claim({ ...first, owner: 'second' })).toMatchObject({ state: 'run' })
  })
})
