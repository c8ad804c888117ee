import { positionOf } from '../../../src/store/version-documents'
import { type TestApi, testApi } from '../../support/api'

/** The largest page that may be asked for, and one item more. */
const largest = 200
const places = [...Array(largest + 1).keys()].map((place) => String(place).padStart(3, '0'))

let api: TestApi
beforeAll(async () => {
  api = await testApi()
})
afterAll(() => api.stop())

const insert = (collection: string, documents: readonly object[]) =>
  api.store.database.db.collection(collection).insertMany([...documents])

describe('a list of more items than the largest page', () => {
  it('of versions names the page that follows, which ends it', async () => {
    await api.cli('push', 'test/support/workspace')
    const versions = api.store.database.collection<{ _id: string }>('versions')
    const first = await versions.findOne({ _id: 'policy/short@1.0.0' })
    const more = places.slice(1).map((place) => `1.1.${Number(place)}`)
    await insert(
      'versions',
      more.map((semver) => {
        const position = positionOf('policy', 'short', semver)
        return { ...first, _id: `policy/short@${semver}`, semver, position }
      }),
    )
    const path = `/v1/artifacts/policy/short?limit=${largest}`
    const { body } = await api.call('GET', path)
    expect(body.items).toHaveLength(largest)
    const { body: rest } = await api.call('GET', `${path}&after=${encodeURIComponent(String(body.next))}`)
    expect(rest).toMatchObject({ items: [{ ref: 'policy/short@1.1.200' }] })
    expect(rest).not.toHaveProperty('next')
  })

  it.each<[string, string, () => Promise<readonly unknown[]>]>([
    ['evaluations', 'evaluations', () => api.store.evaluations.list({ limit: largest + 1 })],
    ['verdicts', 'verdicts', () => api.store.evidence.verdicts({ limit: largest + 1 })],
    ['rescores', 'rescores', () => api.store.rescores.list({ limit: largest + 1 })],
    ['runs of retention', 'gc_runs', () => api.store.garbage.runs({ limit: largest + 1 })],
  ])('of %s is read one longer than that page', async (_, collection, read) => {
    await insert(
      collection,
      places.map((_id) => ({ _id, evaluationId: _id, report: {}, state: 'done' })),
    )
    expect(await read()).toHaveLength(largest + 1)
  })
})
