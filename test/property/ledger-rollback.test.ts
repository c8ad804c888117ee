import type { Digest } from '../../src/domain/version'
import { type LaneGround, laneGround, production, refusal, type TestLane } from '../support/lane-ground'

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

  it('by two people who saw the same lane goes one step back, and the second is told', async () => {
    for (const settled of [v0, v1, v2]) await lane.settle(settled)
    const { baseSeq: expectedBase } = await lane.state()
    const both = await Promise.allSettled([lane.rollback({ expectedBase }), lane.rollback({ expectedBase })])
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(both.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'lane_moved' } })
    expect((await lane.state()).incumbent).toBe(v1)
  })

  it('to what serves already changes nothing', async () => {
    await lane.settle(v0)
    const before = await lane.state()
    expect(await lane.rollback({ target: v0, hold: true, veto: true })).toBeUndefined()
    expect(await lane.state()).toEqual(before)
  })

  it('brings back a version to a lane whose only release was withdrawn', async () => {
    await lane.settle(v0, { releaseId: 'r0' })
    await lane.rollback({ releaseId: 'r0' })
    expect(await lane.state()).toMatchObject({ disabled: true, settled: [] })
    const back = await lane.rollback({ target: v0 })
    expect(back?.entry).toMatchObject({ incumbent: v0, disabled: true })
    await lane.flag(false)
    expect(await lane.state()).toMatchObject({ incumbent: v0, disabled: false, settled: [v0] })
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
    const place = { environment: production, task: lane.task, by: 'ann', reason: 'known' }
    expect(await code(ground.store.ledger.liftHold(place))).toBe('not_found')
  })
})
