import type { Plan } from '../../src/domain/plan'
import type { Digest } from '../../src/domain/version'
import { Reconciler } from '../../src/reconciler'
import type { WorkflowHealth, WorkflowPlace } from '../../src/temporal'
import { type LaneGround, laneGround, production, type TestLane } from '../support/lane-ground'

const passMs = 5_000

describe('a safety clock that stands still', () => {
  let ground: LaneGround
  let lane: TestLane
  let reconciler: Reconciler
  let now: number
  let health: WorkflowHealth
  const healths = new Map<string, WorkflowHealth>()
  let receiver: Promise<void> | undefined
  let v0: Digest
  let v1: Digest
  beforeAll(async () => {
    ground = await laneGround()
    ;[v0, v1] = (await ground.tested(2)) as [Digest, Digest]
  })
  afterAll(() => ground.end())

  beforeEach(async () => {
    lane = await ground.lane()
    await lane.settle(v0)
    now = 0
    const id = `r-${lane.task}`
    await lane.step(v1, { releaseId: id })
    await openRecord(id)
    const finish = {
      settleRelease,
      communicateRelease,
      retractRelease,
      closeRelease: settleRelease,
    }
    health = { kind: 'running', failingTaskAttempts: 0 }
    const orchestrator = { health: async ({ workflowId }: WorkflowPlace) => healths.get(workflowId) ?? health }
    reconciler = new Reconciler({ store: ground.store, orchestrator, finish }, () => now)
    await ground.store.releases.tick(id)
  })
  afterEach(() => ground.store.releases.update(`r-${lane.task}`, { phase: 'rolled_back' }))

  const settleRelease = async (): Promise<void> => undefined
  const communicateRelease = async () => ({ delivered: 0, failed: 0 })

  const retractRelease = async () => {
    await receiver
    return communicateRelease()
  }

  async function openRecord(id: string): Promise<void> {
    const { releases } = ground.store
    const request = { task: lane.task, change: {}, why: 'a test' }
    await releases.adopt({ id, task: lane.task, request, author: 'ann', workflowId: `release/${id}`, runId: id })
    const lanes = [{ environment: production, baseSeq: 1, incumbent: v0 }]
    const plan = { request, task: lane.task, candidate: v1, policy: ground.policy, lanes, steps: [] } as unknown as Plan
    await releases.update(id, { plan: await releases.putPlan(plan), candidate: v1 })
  }

  /** Passes at the pace of a server, for so long; what they did. */
  async function passes(forMs: number) {
    const did = []
    for (const until = now + forMs; now < until; now += passMs) did.push(...(await reconciler.once()))
    return did
  }

  const candidate = async () => (await lane.state()).candidate

  it('is withdrawn after sixty seconds of looking, and not before', async () => {
    expect(await passes(60_000)).toEqual([])
    expect(await candidate()).toBe(v1)
    expect(await passes(2 * passMs)).toMatchObject([{ did: 'withdrawn', task: lane.task }])
    expect(await candidate()).toBeUndefined()
  })

  it('is left alone while it ticks, however slowly', async () => {
    for (let round = 0; round < 4; round++) {
      expect(await passes(50_000)).toEqual([])
      await ground.store.releases.tick(`r-${lane.task}`)
    }
    expect(await candidate()).toBe(v1)
  })

  it('is left alone after a time without a store, in which nobody could tick and nobody could look', async () => {
    expect(await passes(30_000)).toEqual([])
    now += 120_000
    expect(await passes(30_000)).toEqual([])
    await ground.store.releases.tick(`r-${lane.task}`)
    expect(await passes(55_000)).toEqual([])
    expect(await candidate()).toBe(v1)
  })

  it('is withdrawn in time while another release is ended, whose receivers of notes hang', async () => {
    const other = `other-${lane.task}`
    await openRecord(other)
    healths.set(`release/${other}`, { kind: 'closed', status: 'Terminated' })
    let answers: () => void = () => undefined
    receiver = new Promise((resolve) => {
      answers = resolve
    })
    const ending = reconciler.end()
    const did = []
    for (const until = now + 70_000; now < until; now += passMs) did.push(...(await reconciler.look()))
    expect(did).toMatchObject([{ did: 'withdrawn', release: `r-${lane.task}` }])
    expect(await candidate()).toBeUndefined()
    answers()
    expect(await ending).toMatchObject([{ did: 'withdrawn', release: other }])
    await ground.store.releases.update(other, { phase: 'rolled_back' })
  })

  it('is believed where it ticks, though Temporal does not know the workflow; a server may ask the wrong one', async () => {
    health = { kind: 'unknown' }
    for (let round = 0; round < 3; round++) {
      expect(await passes(25_000)).toEqual([])
      await ground.store.releases.tick(`r-${lane.task}`)
    }
    expect(await candidate()).toBe(v1)
    expect((await passes(45_000))[0]).toMatchObject({ did: 'withdrawn', why: 'its workflow is unknown' })
    expect(await candidate()).toBeUndefined()
  })
})
