import type { Digest } from '../../src/domain/version'
import { type LaneGround, laneGround, production, refusal, type TestLane } from '../support/lane-ground'

let ground: LaneGround
let lane: TestLane
let v0: Digest
let v1: Digest
let v2: Digest

beforeAll(async () => {
  ground = await laneGround()
  ;[v0, v1, v2] = (await ground.tested(3)) as [Digest, Digest, Digest]
})
beforeEach(async () => {
  lane = await ground.lane()
})
afterAll(() => ground.end())

const causes = async (environment?: string) => (await lane.entries(environment)).map(({ cause }) => cause)
const code = async (work: Promise<unknown>) => (await refusal(work)).code

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
    const place = { environment: production, task: lane.task, by: 'ann', reason: 'known' }
    expect((await ground.store.ledger.liftHold(place)).hold).toBeUndefined()
    expect(await code(lane.step(v1))).toBe('vetoed')
    expect(await code(lane.settle(v1))).toBe('vetoed')
    expect((await lane.settle(v2, { releaseId: 'r2' })).created).toBe(true)
    expect((await ground.store.ledger.liftHold({ ...place, veto: v1 })).vetoes).toEqual([])
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
