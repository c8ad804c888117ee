import fc from 'fast-check'
import { compositeIdentity } from '../../../src/domain/composite'
import type { KindName } from '../../../src/domain/version'
import { SluiceError } from '../../../src/errors'
import { digestOf } from '../../../src/store/canonical'
import type { Store } from '../../../src/store/store'
import { anyContents, commitAny } from '../../support/any-composite'
import { runs } from '../../support/effort'
import { testStore } from '../../support/ground'

/** What a composite's id vouches for, directly or through what follows from the contents. */
const covered: Readonly<Record<string, readonly RegExp[]>> = {
  versions: [/^(kind|name|semver|position|digest|interface|content)$/, /^references\.\d+\.(path|kind|digest)$/],
  composites: [/^pins\.\d+\.(role|kind|ref|digest)$/],
  rows: [/^text$/],
}

describe('a stored composite', () => {
  let store: Store
  let drop: () => Promise<void>
  let id: `sha256:${string}`
  let contents: Readonly<Record<KindName, unknown>>
  beforeAll(async () => {
    const ground = await testStore()
    store = ground.store
    drop = ground.drop
    contents = fc.sample(anyContents, { numRuns: 1, seed: 11 })[0] as typeof contents
    id = (await commitAny(store, contents)).id
  })
  afterAll(() => drop())

  it('is not valid any more, whichever character of its closure is altered', async () => {
    const places = await Promise.all(Object.keys(covered).map((name) => placesIn(store, name)))
    const all = places.flat().filter(({ inClosure }) => inClosure)
    expect(all.length).toBeGreaterThan(100)
    const property = fc.asyncProperty(
      fc.constantFrom(...all),
      fc.nat(),
      fc.integer({ min: 1, max: 90 }),
      async (...one) => {
        const [{ collection, _id, path, text }, at, by] = one
        const place = at % text.length
        const code = 33 + ((text.charCodeAt(place) - 33 + by + 94) % 94)
        const altered = text.slice(0, place) + String.fromCharCode(code) + text.slice(place + 1)
        fc.pre(altered !== text)
        const documents = store.database.collection<{ _id: string }>(collection)
        const write = (value: string) => documents.updateOne({ _id }, { $set: { [path]: value } })
        await write(altered).catch((error: { code?: unknown }) => {
          // The database itself refuses some: two versions cannot have one label.
          if (error.code !== 11_000) throw error
          fc.pre(false)
        })
        try {
          expect(await isWhole()).toBe(false)
        } finally {
          await write(text)
        }
      },
    )
    await fc.assert(property, { numRuns: runs(150), endOnFailure: true })
    expect(await isWhole()).toBe(true)
  })

  const isWhole = async (): Promise<boolean> => {
    try {
      return (await store.catalog.verifyComposite(id)).valid
    } catch (error) {
      if (error instanceof SluiceError) return false
      throw error
    }
  }

  it('names what is missing', async () => {
    const versions = store.database.collection<{ _id: string }>('versions')
    const gone = await versions.findOne({ _id: 'field/any@1.0.0' })
    await versions.deleteOne({ _id: 'field/any@1.0.0' })
    const found = await store.catalog.verifyComposite(id)
    expect(found.valid).toBe(false)
    expect(found.parts.filter(({ state }) => state !== 'ok')).toMatchObject([{ kind: 'field', state: 'missing' }])
    await versions.insertOne(gone as { _id: string })
  })

  it('names a dataset of which a row is missing', async () => {
    const rows = store.database.collection<{ _id: string }>('rows')
    const gone = await rows.findOne({})
    await rows.deleteOne({ _id: gone?._id ?? '' })
    const found = await store.catalog.verifyComposite(id)
    expect(found.parts.filter(({ state }) => state !== 'ok')).toMatchObject([
      { ref: 'dataset/any@1.0.0', state: 'missing' },
    ])
    await rows.insertOne(gone as { _id: string })
  })

  it('is served by nobody once its roles are exchanged', async () => {
    const composites = store.database.collection<{ _id: string; pins: { digest: string }[] }>('composites')
    const before = await composites.findOne({ _id: id })
    const pins = before?.pins ?? []
    await composites.updateOne({ _id: id }, { $set: { 'pins.0.digest': pins[1]?.digest ?? '' } })
    await expect(store.catalog.composite(id)).rejects.toMatchObject({ code: 'digest_mismatch' })
    await composites.updateOne({ _id: id }, { $set: { 'pins.0.digest': pins[0]?.digest ?? '' } })
  })

  it('has an id that does not depend on the order of its roles', () => {
    const digest = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 64, maxLength: 64 })
    const roles = fc.uniqueArray(fc.tuple(fc.string(), digest), { selector: ([role]) => role, minLength: 1 })
    const shuffled = roles.chain((list) =>
      fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length, maxLength: list.length })),
    )
    fc.assert(
      fc.property(shuffled, (orders) => {
        const [first, second] = orders.map((order) =>
          digestOf(
            compositeIdentity(Object.fromEntries(order.map(([role, hex]) => [role, { digest: `sha256:${hex}` }]))),
          ),
        )
        expect(first).toBe(second)
      }),
    )
  })
})

interface Place {
  readonly collection: string
  readonly _id: string
  readonly path: string
  readonly text: string
  readonly inClosure: boolean
}

/** Every covered text of a collection. */
async function placesIn(store: Store, collection: string): Promise<readonly Place[]> {
  const documents = await store.database.collection<{ _id: string }>(collection).find().toArray()
  return documents.flatMap((document) =>
    textsIn(document, '')
      .filter(({ path }) => covered[collection]?.some((pattern) => pattern.test(path)))
      .map((found) => ({
        collection,
        _id: document._id,
        inClosure: !/^(suite|policy)\//.test(document._id),
        ...found,
      })),
  )
}

function textsIn(value: unknown, path: string): readonly { readonly path: string; readonly text: string }[] {
  if (typeof value === 'string') return value === '' ? [] : [{ path, text: value }]
  if (typeof value !== 'object' || value === null || value instanceof Date) return []
  return Object.entries(value).flatMap(([key, item]) => textsIn(item, path === '' ? key : `${path}.${key}`))
}
