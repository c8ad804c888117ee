import type { Store } from '../../src/store/store'
import { type CutGround, cutGround, startAgain } from '../support/cuts/cut-ground'
import { cutEverywhere } from '../support/cuts/cut-runs'

const document = { _id: 'one' }

describe('the cutting of mutations', () => {
  let ground: CutGround
  beforeAll(async () => {
    ground = await cutGround()
  })
  afterEach(() => startAgain(ground))
  afterAll(() => ground.end())

  const report = (work: (store: Store) => Promise<unknown>, mayStay: Readonly<Record<string, string>> = {}) =>
    cutEverywhere(ground.database, ground.options, {
      name: 'a mutation',
      mayStay,
      async run(store) {
        await work(store)
        return { answer: 'done' }
      },
    })
  const rows = (store: Store, name: string) => store.database.collection<{ _id: string; count?: number }>(name)
  const put = (store: Store, name: string) =>
    rows(store, name).updateOne({ _id: 'one' }, { $setOnInsert: { count: 1 } }, { upsert: true })

  it('finds nothing wrong with one write, or with several in one transaction', async () => {
    expect(await report((store) => put(store, 'plans'))).toMatchObject({ cuts: 1, faults: [], changed: ['plans'] })
    const both = (store: Store) =>
      store.database.transact(async (session) => {
        const options = { session, upsert: true }
        await rows(store, 'plans').replaceOne(document, { count: 1 }, options)
        await rows(store, 'watches').replaceOne(document, { count: 1 }, options)
      })
    expect(await report(both)).toMatchObject({ cuts: 3, faults: [], changed: ['plans', 'watches'] })
  })

  it('finds what is left in half', async () => {
    const torn = async (store: Store): Promise<void> => {
      await put(store, 'plans')
      await put(store, 'watches')
    }
    expect((await report(torn)).faults).toEqual(['cut 1: half of it is left in plans'])
    expect((await report(torn, { plans: 'for a test' })).faults).toEqual([])
  })

  it('finds half of a write of many documents', async () => {
    const many = async (store: Store): Promise<void> => {
      const operations = ['a', 'b', 'c', 'd'].map((_id) => ({
        updateOne: { filter: { _id }, update: { $setOnInsert: { count: 1 } }, upsert: true },
      }))
      await rows(store, 'plans').bulkWrite(operations)
    }
    expect((await report(many)).faults).toEqual(['cut 1: half of it is left in plans'])
  })

  it('finds what a repetition does twice', async () => {
    const counted = (store: Store) =>
      rows(store, 'plans').updateOne({ _id: 'one' }, { $inc: { count: 1 } }, { upsert: true })
    expect((await report(counted)).faults).toEqual(['run again after its answer was lost, it changes plans'])
  })

  it('finds a write that it does not cut', async () => {
    const past = (store: Store) =>
      store.database.db.collection<{ _id: string }>('plans').replaceOne(document, {}, { upsert: true })
    expect((await report(past)).faults).toContain('update was written past the harness')
  })
})
