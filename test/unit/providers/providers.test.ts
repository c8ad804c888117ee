import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { isAgreed, isChange, type ProviderPair, trafficRule } from '../../../src/domain/provider-change'
import type { Digest } from '../../../src/domain/version'
import type { Database } from '../../../src/store/database'
import { type PairReport, Providers } from '../../../src/store/providers'
import type { Store } from '../../../src/store/store'
import { testStore } from '../../support/ground'

describe('whether a pair is a change', () => {
  const known: readonly ProviderPair[] = [
    { model: 'large', fingerprint: 'fp_1' },
    { model: 'large', fingerprint: 'fp_2' },
  ]
  it.each([
    ['one that is known', { model: 'large', fingerprint: 'fp_1' }, false],
    ['another model', { model: 'small', fingerprint: 'fp_1' }, true],
    ['another fingerprint', { model: 'large', fingerprint: 'fp_3' }, true],
    ['the model alone, as a report without fingerprint says it', { model: 'large' }, false],
    ['the fingerprint alone', { fingerprint: 'fp_2' }, false],
    ['nothing', {}, false],
    ['another candidate of a router, of which nothing is known', { model: 'small', candidate: 'cheap' }, false],
  ])('%s', (_, pair, expected) => {
    expect(isChange(pair, known)).toBe(expected)
  })

  it('nothing is one where nothing is known of it', () => {
    expect(isChange({ model: 'large', fingerprint: 'fp_9' }, [])).toBe(false)
    expect(isChange({ model: 'large', fingerprint: 'fp_9' }, [{ model: 'large' }])).toBe(false)
  })
})

it('no number of conversations of one API key agrees with itself', () => {
  const one = fc.array(fc.string(), { maxLength: 100 })
  const few = fc.array(fc.string(), { maxLength: trafficRule.conversationsEach - 1 })
  fc.assert(fc.property(one, few, (own, other) => !isAgreed([own, other, []])))
})

describe('what applications report', () => {
  let store: Store
  let drop: () => Promise<void>
  beforeAll(async () => {
    const ground = await testStore()
    store = ground.store
    drop = ground.drop
  })
  afterAll(() => drop())

  const freshComposite = (): Digest => `sha256:${randomUUID().replaceAll('-', '').padEnd(64, '0')}`
  const old = { model: 'large', fingerprint: 'fp_1' }
  const now = { model: 'large', fingerprint: 'fp_2' }
  const evaluation = { basis: 'evaluation', by: 'sluice', reason: 'a test' } as const
  /** A composite with evidence of `old`. */
  async function evaluated(): Promise<Digest> {
    const composite = freshComposite()
    expect(await store.providers.measured(composite, [old], evaluation)).toBe(false)
    return composite
  }
  const reports = (composite: Digest, pair: ProviderPair, count: number, prefix = 'c'): readonly PairReport[] =>
    Array.from({ length: count }, (_, index) => ({
      ...pair,
      composite,
      tenant: 'acme',
      conversation: `${prefix}-${index}`,
    }))
  /** A server of its own, with nothing in its memory. */
  const report = (rows: readonly PairReport[], key: string) => new Providers(store.database).reported(rows, key)
  const epochOf = async (composite: Digest) => (await store.providers.epochs([composite])).get(composite)

  it('of a pair that evidence has seen is nothing new', async () => {
    const composite = await evaluated()
    await report(reports(composite, old, 50), 'key-1')
    expect([await store.providers.changes({ composites: [composite] }), await epochOf(composite)]).toEqual([[], 0])
  })

  it('voids evidence once API keys agree, once, and says what was returned before and now', async () => {
    const composite = await evaluated()
    await report(reports(composite, now, 30), 'key-1')
    expect(await epochOf(composite)).toBe(0)
    expect(await store.providers.suspected([composite])).toMatchObject([{ to: now, principals: 1, conversations: 20 }])
    await report(reports(composite, now, 4, 'd'), 'key-2')
    expect(await epochOf(composite)).toBe(0)
    for (const repeat of [0, 1]) await report(reports(composite, now, 5 + repeat, 'd'), 'key-2')
    const changes = await store.providers.changes({ composites: [composite] })
    expect(changes).toMatchObject([{ from: [old], to: now, basis: 'traffic', by: 'key-1, key-2', epoch: 1 }])
    expect(await store.providers.suspected([composite])).toEqual([])
  })

  it('of one key never does, whatever it invents, nor keeps others from being heard', async () => {
    const composite = await evaluated()
    for (let index = 0; index < 40; index += 1) {
      await report(reports(composite, { model: 'large', fingerprint: `junk_${index}` }, 25), 'mallory')
    }
    expect(await epochOf(composite)).toBe(0)
    expect((await store.providers.suspected([composite])).length).toBeLessThanOrEqual(8)
    await report(reports(composite, now, 20), 'key-1')
    await report(reports(composite, now, 20), 'key-2')
    expect(await store.providers.changes({ composites: [composite] })).toMatchObject([{ to: now }])
  })

  it('costs a delivery a bounded number of transactions, and what is left out counts when it comes again', async () => {
    const { database } = store
    let transactions = 0
    const counted: Database = Object.create(database, {
      transact: {
        value(work: Parameters<Database['transact']>[0]) {
          transactions++
          return database.transact(work)
        },
      },
    })
    const composites = Array.from({ length: 120 }, freshComposite)
    const rows = composites.flatMap((composite) => reports(composite, old, 2))
    const known = () => database.collection('providerPairs').countDocuments({ composite: { $in: composites } })
    const counts: number[][] = []
    for (let delivery = 0; delivery < 4; delivery++) {
      await new Providers(counted).reported(rows, 'key-1')
      counts.push([transactions, await known()])
    }
    expect(counts).toEqual([50, 100, 120, 120].map((count) => [count, count]))
  })

  it('from many servers at the same moment is counted once', async () => {
    const composite = await evaluated()
    const rows = reports(composite, now, 24)
    await Promise.all(
      Array.from({ length: 6 }, (_, index) => report(rows.slice(index * 4, index * 4 + 4), `key-${index % 2}`)),
    )
    await report(rows, 'key-0')
    await report(rows, 'key-1')
    expect([await epochOf(composite), (await store.providers.changes({ composites: [composite] })).length]).toEqual([
      1, 1,
    ])
  })

  it('is certain by one call of the product itself, or by a person, who may also dismiss it', async () => {
    const [called, confirmed, dismissed] = [await evaluated(), await evaluated(), await evaluated()]
    for (const composite of [called, confirmed, dismissed]) await report(reports(composite, now, 3), 'key-1')
    const reproduction = { basis: 'reproduction', by: 'ann', reason: 'seen' } as const
    expect(await store.providers.measured(called, [now], reproduction)).toBe(true)
    expect(await store.providers.measured(called, [now], reproduction)).toBe(false)
    const idOf = async (composite: Digest) => (await store.providers.suspected([composite]))[0]?.id ?? called
    const author = { by: 'ann', reason: 'the provider told us' }
    await store.providers.settle(await idOf(confirmed), true, author)
    const dropped = await idOf(dismissed)
    await store.providers.settle(dropped, false, author)
    await expect(store.providers.settle(dropped, false, author)).rejects.toMatchObject({ code: 'not_found' })
    await report(reports(dismissed, now, 30), 'key-1')
    await report(reports(dismissed, now, 30), 'key-2')
    expect([await epochOf(called), await epochOf(confirmed), await epochOf(dismissed)]).toEqual([1, 1, 0])
    expect(await store.providers.suspected([called, confirmed, dismissed])).toEqual([])
  })
})
