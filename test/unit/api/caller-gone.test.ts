import { once } from 'node:events'
import { type TestApi, testApi } from '../../support/api'
import { until } from '../../support/until'

let api: TestApi
beforeAll(async () => {
  api = await testApi()
  await api.cli('push', 'test/support/workspace')
})
afterAll(() => api.stop())
afterEach(() => jest.restoreAllMocks())

const verify = (id: string, signal: AbortSignal) =>
  fetch(`${api.url}/v1/composites/${encodeURIComponent(id)}/verification`, {
    headers: { authorization: `Bearer ${api.key}` },
    signal,
  })

it('ends the verification of a composite once its caller is gone, and not before', async () => {
  const { id } = await api.store.catalog.commitComposite({ prompt: 'review@1.0.0', engine: 'small@1.0.0' })
  let begun = false
  let ended = false
  jest.spyOn(api.store.catalog, 'verifyComposite').mockImplementation(async (_, { signal } = {}) => {
    begun = true
    if (signal === undefined) throw new Error('nothing would end it')
    await once(signal, 'abort')
    ended = true
    throw new Error('ended')
  })
  const caller = new AbortController()
  const asked = verify(id, caller.signal).catch((error: Error) => error.name)
  await until('the verification begins', async () => begun)
  expect(ended).toBe(false)
  caller.abort()
  expect(await asked).toBe('AbortError')
  await until('the verification ends', async () => ended, 10_000)
  jest.restoreAllMocks()
  expect(await (await verify(id, new AbortController().signal)).json()).toMatchObject({ id, valid: true })
})
