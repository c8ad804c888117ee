import type { Digest } from '../../src/domain/version'
import { SluiceError } from '../../src/errors'
import { author, type LaneGround, laneGround, production, refusal, type TestLane } from '../support/lane-ground'

let ground: LaneGround
let lane: TestLane
let v0: Digest
let v1: Digest
let v2: Digest
let v3: Digest

beforeAll(async () => {
  ground = await laneGround()
  ;[v0, v1, v2, v3] = (await ground.tested(4)) as [Digest, Digest, Digest, Digest]
})
beforeEach(async () => {
  lane = await ground.lane()
})
afterAll(() => ground.end())

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index)
const code = async (work: Promise<unknown>) => (await refusal(work)).code

describe('appending', () => {
  it('is idempotent by key, whatever happened since and whatever is asked for', async () => {
    const first = await lane.settle(v0, { key: 'r1/settle/append' })
    await lane.step(v1, { releaseId: 'r2' })
    await lane.rollback({ releaseId: 'r2', hold: true, veto: true })
    expect(await lane.settle(v0, { key: 'r1/settle/append', expectedBase: 0 })).toEqual({ ...first, created: false })
    expect(await lane.step(v1, { key: 'r1/settle/append', expectedBase: 77 })).toEqual({ ...first, created: false })
    expect(await lane.rollback({ key: 'r1/settle/append', target: v3 })).toEqual({ ...first, created: false })
    expect(await lane.verify()).toBe(3)
  })

  it('writes one entry where one key is appended from many places at once', async () => {
    await lane.settle(v0)
    const appended = await Promise.all(
      numbers(8).map(() => lane.step(v1, { key: 'r1/rollout-1/append', expectedBase: 1 })),
    )
    expect(appended.filter(({ created }) => created)).toHaveLength(1)
    expect(new Set(appended.map(({ entry }) => entry.hash)).size).toBe(1)
    expect(await lane.verify()).toBe(2)
  })

  it('lets exactly one of many win on the same base, and tells the others by what the lane moved', async () => {
    await lane.settle(v0)
    const order = (number: number) => lane.step(number % 2 ? v1 : v2, { releaseId: `r${number}`, expectedBase: 1 })
    const results = await Promise.allSettled(numbers(8).map(order))
    const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.entry] : []))
    const lost = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as SluiceError] : []))
    expect(won).toHaveLength(1)
    expect(lost.map((error) => error.code)).toEqual(numbers(7).map(() => 'lane_moved'))
    for (const { details } of lost) expect(details).toEqual({ baseSeq: 2, cause: 'step', releaseId: won[0]?.releaseId })
    expect(await lane.verify()).toBe(2)
  })

  it('gives contiguous numbers and strictly increasing times to concurrent writers that read again and retry', async () => {
    await lane.settle(v0)
    const persist = async (work: () => Promise<unknown>): Promise<void> => {
      for (;;) {
        try {
          await work()
          return
        } catch (error) {
          if (!(error instanceof SluiceError && error.code === 'lane_moved')) throw error
        }
      }
    }
    await Promise.all(numbers(6).map((number) => persist(() => lane.step(v1, { releaseId: `r${number}` }))))
    const entries = await lane.entries()
    expect(entries.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7])
    for (const [index, { at }] of entries.entries()) expect(at).toBeGreaterThan(entries[index - 1]?.at ?? 0)
    expect(await lane.verify()).toBe(7)
  })

  it('never lets a step survive a rollback that it raced with', async () => {
    for (const round of numbers(6)) {
      const racing = await ground.lane()
      await racing.settle(v0)
      await racing.step(v1, { releaseId: 'r1' })
      const [step, back] = await Promise.allSettled([
        racing.step(v1, { releaseId: 'r1', key: `r1/rollout-${round}/append`, expectedBase: 2 }),
        racing.rollback({ releaseId: 'r1', hold: true, veto: true }),
      ])
      expect(back).toMatchObject({
        status: 'fulfilled',
        value: { created: true, entry: { incumbent: v0, revokes: [v1] } },
      })
      if (step.status === 'rejected')
        expect(step.reason).toMatchObject({ code: 'lane_moved', details: { cause: 'rollback' } })
      expect(await racing.state()).toMatchObject({ baseCause: 'rollback', incumbent: v0, hold: { by: 'ann' } })
      await racing.verify()
    }
  })

  it('counts from the lead on: forward entries ahead of the clock, restoring ones at once but after the head', async () => {
    const before = await ground.store.database.now()
    const ahead = (await lane.settle(v0, { leadMs: 60_000 })).entry
    expect(ahead.at).toBeGreaterThanOrEqual(before + 60_000)
    const next = (await lane.step(v1, { leadMs: 0, releaseId: 'r1' })).entry
    expect(next.at).toBe(ahead.at + 1)
    expect((await lane.rollback({ releaseId: 'r1' }))?.entry.at).toBe(ahead.at + 2)
    expect((await lane.flag(true)).entry.at).toBe(ahead.at + 3)
    await lane.flag(false)
    await expect(lane.settle(v1, { leadMs: -1 })).rejects.toThrow('dated back')
  })

  it('leaves nothing where the transaction around it fails', async () => {
    await lane.settle(v0)
    await lane.step(v1, { releaseId: 'r1' })
    const order = { environment: production, task: lane.task, key: 'r1/rollback', releaseId: 'r1', ...author }
    const failing = ground.store.database.transact(async (session) => {
      await ground.store.ledger.restore({ ...order, penalties: { hold: true, veto: true } }, session)
      throw new Error('the decision could not be written')
    })
    await expect(failing).rejects.toThrow('could not be written')
    const { hold, vetoes, headSeq } = await lane.state()
    expect({ hold, vetoes, headSeq }).toEqual({ hold: undefined, vetoes: [], headSeq: 2 })
    expect(await lane.verify()).toBe(2)
  })

  it('finds entries by key, by page, and the lanes of a task', async () => {
    await lane.settle(v0, { key: 'r1/settle/append' })
    await lane.step(v1, { releaseId: 'r2', key: 'r2/rollout-1/append' })
    await lane.settle(v0, { environment: 'staging', policy: ground.staged })
    const { ledger } = ground.store
    const place = { environment: production, task: lane.task }
    expect((await ledger.find({ ...place, key: 'r2/rollout-1/append' }))?.seq).toBe(2)
    expect(await ledger.find({ ...place, key: 'r3/rollout-1/append' })).toBeUndefined()
    expect((await ledger.entries(production, lane.task, { from: 2, limit: 5 })).map(({ seq }) => seq)).toEqual([2])
    expect((await ledger.entries(production, lane.task, { limit: 1 })).map(({ seq }) => seq)).toEqual([1])
    expect((await ledger.head(production, lane.task))?.seq).toBe(2)
    expect(await ledger.head('development', lane.task)).toBeUndefined()
    expect((await ledger.lanesOf(lane.task)).map(({ environment }) => environment).sort()).toEqual([
      'production',
      'staging',
    ])
  })
})

describe('verifying', () => {
  const entries = () => ground.store.database.collection<{ _id: string }>('allocations')
  const heads = () => ground.store.database.collection<{ _id: string }>('lanes')
  const entry = (seq: number) => ({ _id: `${production}/${lane.task}/${seq}` })
  const head = () => ({ _id: `${production}/${lane.task}` })

  beforeEach(async () => {
    await lane.settle(v0)
    await lane.step(v1, { releaseId: 'r1' })
    await lane.rollback({ releaseId: 'r1', hold: true, veto: true })
    await lane.flag(true)
  })

  it('says how many entries there are, and of a lane without any none', async () => {
    expect(await lane.verify()).toBe(4)
    expect(await lane.verify('development')).toBe(0)
  })

  it.each<readonly [string, () => Promise<unknown>]>([
    ['an entry names another incumbent', () => entries().updateOne(entry(1), { $set: { incumbent: v3 } })],
    ['an entry exposes more', () => entries().updateOne(entry(2), { $set: { 'exposure.0.basisPoints': 1 } })],
    ['an entry was dated back', () => entries().updateOne(entry(2), { $inc: { at: -1 } })],
    ['an entry has another author', () => entries().updateOne(entry(3), { $set: { by: 'eve' } })],
    ['an entry revokes no more', () => entries().updateOne(entry(3), { $unset: { revokes: '' } })],
    ['an entry has a field more', () => entries().updateOne(entry(1), { $set: { note: 'x' } })],
    ['an entry is gone from the middle', () => entries().deleteOne(entry(2))],
    ['the newest entry is gone', () => entries().deleteOne(entry(4))],
    ['the first entry is gone', () => entries().deleteOne(entry(1))],
    ['an entry has another hash', () => entries().updateOne(entry(2), { $set: { hash: `sha256:${'0'.repeat(64)}` } })],
    ['an entry follows another', () => entries().updateOne(entry(2), { $set: { prev: '' } })],
    ['the head names another incumbent', () => heads().updateOne(head(), { $set: { incumbent: v3 } })],
    ['the head is enabled', () => heads().updateOne(head(), { $set: { disabled: false } })],
    ['the head has another stack', () => heads().updateOne(head(), { $push: { settled: v3 } as never })],
    ['the head counts less', () => heads().updateOne(head(), { $set: { headSeq: 3 } })],
    ['the head is gone', () => heads().deleteOne(head())],
  ])('finds that %s', async (_, tamper) => {
    await tamper()
    expect(await code(lane.verify())).toBe('chain_broken')
  })
})
