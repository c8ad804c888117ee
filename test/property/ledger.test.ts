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
const causes = async (environment?: string) => (await lane.entries(environment)).map(({ cause }) => cause)
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

describe('the gates inside append', () => {
  const evidence: readonly (readonly [string, (fresh: Digest) => Promise<void>])[] = [
    ['no evidence at all', async () => undefined],
    ['evidence without the incumbent', (fresh) => ground.judge(fresh, undefined)],
    ['evidence against another incumbent', (fresh) => ground.judge(fresh, v1)],
    ['evidence under another policy', (fresh) => ground.judge(fresh, v0, { policy: ground.staged })],
    ['a failing verdict', (fresh) => ground.judge(fresh, v0, { verdict: 'fail' })],
    ['no evidence either way', (fresh) => ground.judge(fresh, v0, { verdict: 'no_evidence' })],
    [
      'a pass that a later verdict took back',
      async (fresh) => {
        await ground.judge(fresh, v0)
        await ground.judge(fresh, v0, { verdict: 'fail' })
      },
    ],
  ]

  it.each(evidence.map(([name, given], index) => ({ name, given, index })))(
    'refuse step and settle with $name',
    async ({ given, index }) => {
      const fresh = await ground.composite(100 + index)
      await given(fresh)
      await lane.settle(v0)
      expect(await code(lane.step(fresh))).toBe('undeployable')
      expect(await code(lane.settle(fresh))).toBe('undeployable')
      expect(await causes()).toEqual(['settle'])
      await ground.judge(fresh, v0)
      expect((await lane.step(fresh)).created).toBe(true)
    },
  )

  it('need only the absolute part where there is no incumbent', async () => {
    const fresh = await ground.composite(120)
    expect(await code(lane.step(fresh))).toBe('undeployable')
    await ground.judge(fresh, undefined)
    expect((await lane.step(fresh)).created).toBe(true)
  })

  it('want the comparison with the incumbent of the last environment, wherever the step is', async () => {
    const fresh = await ground.composite(121)
    await lane.settle(v0)
    await lane.settle(v0, { environment: 'staging', policy: ground.staged })
    const staging = { environment: 'staging', policy: ground.staged }
    await ground.judge(fresh, undefined, { policy: ground.staged })
    await ground.judge(fresh, v1, { policy: ground.staged })
    expect(await code(lane.step(fresh, staging))).toBe('undeployable')
    await ground.judge(fresh, v0, { policy: ground.staged })
    expect((await lane.step(fresh, staging)).created).toBe(true)
  })

  it('void the evidence as soon as the incumbent moved', async () => {
    const fresh = await ground.composite(122)
    await ground.judge(fresh, v0)
    await lane.settle(v0)
    await lane.settle(v1)
    expect(await code(lane.step(fresh))).toBe('undeployable')
  })

  it('void the evidence as soon as the task has another suite', async () => {
    const other = await laneGround()
    try {
      const [first, second] = (await other.tested(2)) as [Digest, Digest]
      const moving = await other.lane()
      await moving.settle(first)
      await other.changeSuite(moving.task)
      expect(await code(moving.step(second))).toBe('undeployable')
      await other.judge(second, first)
      expect((await moving.step(second)).created).toBe(true)
    } finally {
      await other.end()
    }
  })

  it('refuse an environment that the policy does not cross', async () => {
    expect(await code(lane.settle(v0, { environment: 'staging' }))).toBe('invalid_entry')
    expect(await code(lane.settle(v0, { environment: 'elsewhere', policy: ground.staged }))).toBe('invalid_entry')
  })

  it('refuse a disabled lane, a held one and a vetoed composite, each by its own code, until it is lifted', async () => {
    await lane.settle(v0)
    await lane.step(v1, { releaseId: 'r1' })
    await lane.rollback({ releaseId: 'r1', hold: true, veto: true })
    await lane.flag(true)
    expect(await code(lane.step(v2))).toBe('lane_disabled')
    await lane.flag(false)
    expect(await code(lane.step(v2))).toBe('lane_held')
    const place = { environment: production, task: lane.task }
    expect((await ground.store.ledger.liftHold(place)).hold).toBeUndefined()
    expect(await code(lane.step(v1))).toBe('vetoed')
    expect(await code(lane.settle(v1))).toBe('vetoed')
    expect((await lane.settle(v2, { releaseId: 'r2' })).created).toBe(true)
    expect((await ground.store.ledger.liftHold(place, v1)).vetoes).toEqual([])
    expect((await lane.step(v1, { releaseId: 'r3' })).created).toBe(true)
    await lane.verify()
  })

  it('say that the lane moved before anything else, since whoever asks must look again', async () => {
    await lane.settle(v0)
    await lane.step(v1, { releaseId: 'r1' })
    await lane.rollback({ releaseId: 'r1', hold: true, veto: true })
    await lane.flag(true)
    expect(await refusal(lane.step(v1, { expectedBase: 2 }))).toMatchObject({
      code: 'lane_moved',
      details: { cause: 'rollback' },
    })
  })

  it('refuse another release while the lane has a candidate, which would serve on with nobody watching it', async () => {
    await lane.settle(v0)
    await lane.step(v1, { releaseId: 'r1' })
    const refused = { code: 'release_running', details: { release: 'r1', candidate: v1 } }
    expect(await refusal(lane.step(v2, { releaseId: 'r2' }))).toEqual(refused)
    expect(await refusal(lane.settle(v2, { releaseId: 'r2' }))).toEqual(refused)
    await lane.rollback({ releaseId: 'r1' })
    expect((await lane.step(v2, { releaseId: 'r2' })).created).toBe(true)
  })

  it('refuse a step beside another incumbent than the lane has', async () => {
    await lane.settle(v0)
    expect(await code(lane.step(v2, { incumbent: v1 }))).toBe('invalid_entry')
    expect(await code(lane.step(v0))).toBe('invalid_entry')
  })

  it.each([
    ['a rollback in disguise', { cause: 'rollback' }],
    ['an enable in disguise', { cause: 'enable' }],
    ['a step that revokes', { revokes: [] }],
    ['a step that disables', { disabled: true }],
    ['a step that exposes nobody', { exposure: [] }],
    ['a share above all', { exposure: [{ to: 'rest', basisPoints: 10_001, by: 'conversation' }] }],
  ])('are not got round by %s', async (_, changes) => {
    await lane.settle(v0)
    const exposure = [{ to: 'rest', basisPoints: 500, by: 'conversation' }]
    const draft = { cause: 'step', by: 'eve', salt: 's', incumbent: v0, candidate: v1, exposure, ...changes }
    const place = { environment: production, task: lane.task, key: 'eve/1/append', expectedBase: 1 }
    const order = { ...place, draft, policy: ground.policy, leadMs: 0 } as unknown
    expect(await code(ground.store.ledger.forward(order as Parameters<typeof ground.store.ledger.forward>[0]))).toBe(
      'invalid_entry',
    )
    expect(await causes()).toEqual(['settle'])
  })

  it('stand in the database too: it refuses what no ledger would write', async () => {
    const entries = ground.store.database.collection('allocations')
    await expect(entries.insertOne({ environment: production, task: lane.task, seq: 0 })).rejects.toThrow(/validation/)
  })
})

describe('rolling back', () => {
  const incumbents = async () => (await lane.entries()).map(({ incumbent }) => incumbent)

  it('a release goes to the incumbent beside it, revokes the candidate, and holds and vetoes in the same stroke', async () => {
    await lane.settle(v0)
    await lane.step(v1, { releaseId: 'r1' })
    const appended = await lane.rollback({ releaseId: 'r1', hold: true, veto: true })
    expect(appended?.entry).toMatchObject({
      key: 'r1/rollback',
      cause: 'rollback',
      incumbent: v0,
      revokes: [v1],
      exposure: [],
    })
    expect(appended?.entry.candidate).toBeUndefined()
    const mark = { by: 'ann', reason: 'for a test', at: appended?.entry.at }
    expect(await lane.state()).toMatchObject({ hold: mark, vetoes: [{ composite: v1, ...mark }], settled: [v0] })
    expect(await lane.rollback({ releaseId: 'r1', hold: true, veto: true })).toEqual({ ...appended, created: false })
  })

  it('is done once, whoever of many writes it', async () => {
    await lane.settle(v0)
    await lane.step(v1, { releaseId: 'r1' })
    const all = await Promise.all(numbers(6).map(() => lane.rollback({ releaseId: 'r1', hold: true, veto: true })))
    expect(all.filter((appended) => appended?.created)).toHaveLength(1)
    expect(await lane.verify()).toBe(3)
  })

  it("is nobody's business any more where the lane holds the release no longer", async () => {
    await lane.settle(v0)
    expect(await lane.rollback({ releaseId: 'r1' })).toBeUndefined()
    await lane.step(v1, { releaseId: 'r1' })
    await lane.settle(v1, { releaseId: 'r2' })
    expect(await lane.rollback({ releaseId: 'r1', hold: true })).toBeUndefined()
    expect(await lane.state()).toMatchObject({ incumbent: v1, headSeq: 3 })
    expect((await lane.state()).hold).toBeUndefined()
  })

  it('two in a row walk back and never ping-pong', async () => {
    for (const version of [v0, v1, v2]) await lane.settle(version)
    await lane.rollback()
    await lane.rollback()
    expect(await incumbents()).toEqual([v0, v1, v2, v1, v0])
    expect((await lane.entries()).slice(3).map(({ revokes }) => revokes)).toEqual([[v2], [v1]])
    expect(await code(lane.rollback())).toBe('no_previous')
    expect((await lane.state()).settled).toEqual([v0])
  })

  it('steps over a vetoed composite, and has no previous where all are vetoed', async () => {
    for (const version of [v0, v1, v2]) await lane.settle(version)
    await lane.rollback({ veto: true })
    await lane.settle(v3)
    await lane.rollback({ target: v0, veto: true })
    expect((await lane.state()).vetoes.map(({ composite }) => composite)).toEqual([v2, v3])
    expect(await code(lane.rollback({ target: v2 }))).toBe('vetoed')
    expect(await code(lane.rollback())).toBe('no_previous')
  })

  it('goes by name to what settled in this lane, on the stack or not, and to nothing else', async () => {
    for (const version of [v0, v1]) await lane.settle(version)
    await lane.step(v2, { releaseId: 'r2' })
    expect(await refusal(lane.rollback({ target: v2 }))).toMatchObject({
      code: 'not_settled',
      details: { settled: [v0, v1] },
    })
    expect(await code(lane.rollback({ target: v3 }))).toBe('not_settled')
    const back = await lane.rollback({ target: v0 })
    expect(back?.entry.revokes).toEqual([v1, v2])
    const forth = await lane.rollback({ target: v1 })
    expect(forth?.entry).toMatchObject({ incumbent: v1, revokes: [v0] })
    expect((await lane.state()).settled).toEqual([v1])
  })

  it('asks neither suite nor hold nor flag, and carries the flag on', async () => {
    for (const version of [v0, v1]) await lane.settle(version)
    await ground.judge(v0, v1, { verdict: 'fail' })
    await lane.flag(true)
    expect((await lane.rollback({ hold: true }))?.entry).toMatchObject({ incumbent: v0, disabled: true })
    expect((await lane.state()).disabled).toBe(true)
    await ground.judge(v0, v1)
    expect((await lane.flag(false)).entry).toMatchObject({ incumbent: v0 })
    expect((await lane.state()).disabled).toBe(false)
    await lane.verify()
  })

  it('of the first release disables the task, and forgets what had settled', async () => {
    await lane.step(v0, { releaseId: 'r1' })
    expect((await lane.rollback({ releaseId: 'r1' }))?.entry).toMatchObject({ disabled: true, revokes: [v0] })
    expect(await lane.state()).toMatchObject({ disabled: true, settled: [] })
    expect((await lane.state()).incumbent).toBeUndefined()
    expect(await code(lane.step(v1, { releaseId: 'r2' }))).toBe('lane_disabled')
    await lane.flag(false)
    await lane.settle(v1, { releaseId: 'r2' })
    expect(await code(lane.rollback())).toBe('no_previous')
  })

  it('of the first release after its settle is the same', async () => {
    await lane.settle(v0, { releaseId: 'r1' })
    expect((await lane.rollback({ releaseId: 'r1' }))?.entry).toMatchObject({ disabled: true, revokes: [v0] })
    expect(await lane.state()).toMatchObject({ disabled: true, settled: [] })
  })

  it('of an empty lane has no previous', async () => {
    expect(await code(lane.rollback())).toBe('no_previous')
  })
})

describe('disable and enable', () => {
  it('repeat the allocation with the flag changed, and do not move the base: the release goes on', async () => {
    await lane.settle(v0)
    const { entry: step } = await lane.step(v1, { releaseId: 'r1' })
    const { entry: off } = await lane.flag(true)
    const { entry: on } = await lane.flag(false)
    const allocation = ({ incumbent, candidate, exposure, salt, releaseId }: typeof step) => ({
      incumbent,
      candidate,
      exposure,
      salt,
      releaseId,
    })
    expect([allocation(off), allocation(on)]).toEqual([allocation(step), allocation(step)])
    expect([off.disabled, on.disabled, off.cause, on.cause]).toEqual([true, undefined, 'disable', 'enable'])
    expect(await lane.state()).toMatchObject({ headSeq: 4, baseSeq: 2, baseCause: 'step', releaseId: 'r1' })
    expect((await lane.step(v1, { releaseId: 'r1', expectedBase: 2 })).created).toBe(true)
    expect(await lane.verify()).toBe(5)
  })

  it('do not repeat what a rollback revoked', async () => {
    for (const version of [v0, v1]) await lane.settle(version)
    await lane.rollback()
    expect((await lane.flag(true)).entry).toMatchObject({ incumbent: v0, cause: 'disable' })
    expect((await lane.entries()).map(({ revokes }) => revokes)).toEqual([undefined, undefined, [v1], undefined])
  })

  it('write nothing where nothing changes, also from two places at once', async () => {
    await lane.settle(v0)
    expect((await lane.flag(false)).created).toBe(false)
    const both = await Promise.all([lane.flag(true), lane.flag(true)])
    expect(both.map(({ created }) => created).sort()).toEqual([false, true])
    expect(await causes()).toEqual(['settle', 'disable'])
  })

  it('have nothing to switch in a lane that was never deployed', async () => {
    expect(await code(lane.flag(true))).toBe('not_found')
    expect(await code(ground.store.ledger.liftHold({ environment: production, task: lane.task }))).toBe('not_found')
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
