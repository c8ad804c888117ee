import { createReleaseEffects } from '../../activities/release'
import { rollbackLane } from '../../src/api/release-commands'
import type { Digest } from '../../src/domain/version'
import { SluiceError } from '../../src/errors'
import { Reconciler } from '../../src/reconciler'
import { type LaneGround, laneGround, production, refusal } from '../support/lane-ground'
import { crossingPolicy, plannedRelease, type TestRelease } from '../support/planned-release'

type Deps = Parameters<typeof rollbackLane>[0]

describe('what is taken back', () => {
  let ground: LaneGround
  let policy: Digest
  let told: string[]
  beforeAll(async () => {
    ground = await laneGround()
    policy = await crossingPolicy(ground, 'crossing')
  })
  beforeEach(() => {
    told = []
  })
  afterAll(() => ground.end())

  const effects = (store = ground.store) => createReleaseEffects({ store, endpoints: {}, notesFolder: '/nowhere' })
  /** Temporal is away: who takes a release back writes it directly. */
  const deps = (): Deps => {
    const command = async (): Promise<never> => {
      throw new SluiceError('temporal_unavailable', 'away')
    }
    const retract = async (id: string) => void told.push(id)
    return { store: ground.store, orchestrator: { command } as never, endpoints: {}, retract }
  }
  const order = ({ lane: { task } }: TestRelease, key: string, environment = production) => ({
    ...{ environment, task, by: 'ann', reason: 'it is bad', key },
  })
  async function exposed(): Promise<TestRelease> {
    const release = await plannedRelease(ground, policy)
    for (const [step, from] of [[0], [1, 0]] as const) await release.advance(step, from)
    return release
  }
  async function settled(): Promise<TestRelease> {
    const release = await exposed()
    expect(await release.advance('settle', 1)).toMatchObject({ kind: 'appended' })
    await effects().settleRelease({ releaseId: release.id })
    return release
  }
  const phaseOf = async ({ id }: TestRelease) => (await ground.store.releases.get(id)).phase
  const close = ({ id }: TestRelease) =>
    effects().closeRelease({
      releaseId: id,
      runId: id,
      phase: 'done',
      reason: 'every step is done',
      approvals: [],
      notes: [],
    })

  it('is one release, however often the order is sent under its key', async () => {
    const release = await exposed()
    const { incumbent } = await release.lane.state()
    const first = await rollbackLane(deps(), order(release, 'once'))
    expect(first).toMatchObject({ release: release.id, incumbent })
    expect(await rollbackLane(deps(), order(release, 'once'))).toEqual(first)
    const lane = await release.lane.state()
    expect([lane.incumbent, lane.candidate]).toEqual([incumbent, undefined])
    expect((await release.lane.entries()).filter(({ cause }) => cause === 'rollback')).toHaveLength(1)
  })

  it('is told to who was told of it, though another release came and went in between', async () => {
    const release = await settled()
    const { releases } = ground.store
    const [other] = (await ground.tested(3)).slice(2)
    await ground.judge(other as Digest, release.candidate, { policy })
    const request = { task: release.lane.task, change: {}, why: 'for a test' }
    await releases.create({
      id: `after-${release.id}`,
      task: release.lane.task,
      request,
      author: 'ann',
      workflowId: 'w',
    })
    await release.lane.step(other as Digest, { releaseId: `after-${release.id}`, policy })
    await release.lane.rollback({ releaseId: `after-${release.id}` })
    await release.lane.flag(true)
    await release.lane.flag(false)
    await rollbackLane(deps(), order(release, 'later'))
    expect(told).toEqual([release.id])
    expect(await releases.lastDecision(release.id, 'rollback')).toMatchObject({ by: 'ann', reason: 'it is bad' })
  })

  it('is told by the reconciler where the server died before everybody was told', async () => {
    const release = await settled()
    await close(release)
    const dying = { ...deps(), retract: async () => Promise.reject(new Error('it dies here')) }
    await expect(rollbackLane(dying, order(release, 'dying'))).rejects.toThrow('it dies here')
    const { releases } = ground.store
    expect(await releases.lastDecision(release.id, 'rollback')).toMatchObject({ by: 'ann' })
    const nothing = async () => ({ delivered: 0, failed: 0 })
    const finish = {
      settleRelease: async () => undefined,
      communicateRelease: nothing,
      closeRelease: async () => undefined,
      async retractRelease({ releaseId }: { readonly releaseId: string }) {
        told.push(releaseId)
        return nothing()
      },
    }
    const orchestrator = { health: async () => ({ kind: 'running' as const, failingTaskAttempts: 0 }) }
    const reconciler = new Reconciler({ store: ground.store, orchestrator, finish })
    await reconciler.once()
    await reconciler.once()
    expect(told).toEqual([release.id])
  })

  it('is told to nobody where only an earlier environment is rolled back', async () => {
    const release = await settled()
    await rollbackLane(deps(), order(release, 'early', 'staging'))
    expect(told).toEqual([])
    expect((await release.lane.state()).incumbent).toBe(release.candidate)
  })

  it('is not done, whoever took it back while its workflow came to its end', async () => {
    const [withdrawn, rolledBack] = [await settled(), await settled()]
    await withdrawn.withdraw()
    await rollbackLane(deps(), order(rolledBack, 'at the end'))
    for (const release of [withdrawn, rolledBack]) {
      expect(await refusal(close(release))).toMatchObject({ code: 'lane_moved' })
      expect(await phaseOf(release)).not.toBe('done')
      expect(await ground.store.releases.lastDecision(release.id, 'close')).toBeUndefined()
    }
  })

  it('stays done where it was closed before, and is told', async () => {
    const release = await settled()
    await close(release)
    await rollbackLane(deps(), order(release, 'after'))
    await close(release)
    expect([await phaseOf(release), told]).toEqual(['done', [release.id]])
  })
})

function event() {
  let happen: () => void = () => undefined
  const happened = new Promise<void>((resolve) => {
    happen = resolve
  })
  return { happen, happened }
}

describe('a plan', () => {
  let ground: LaneGround
  beforeAll(async () => {
    ground = await laneGround()
  })
  afterAll(() => ground.end())

  it('that an attempt made too late does not replace the one that the workflow goes by', async () => {
    const [incumbent] = await ground.tested(2)
    const lane = await ground.lane()
    await lane.settle(incumbent as Digest)
    const request = { task: lane.task, change: { prompt: 'mood-1@1.0.0' }, why: 'for a test' }
    const order = { releaseId: 'planned-twice', request, author: 'ann', workflowId: 'release/twice', runId: 'run' }
    const [planned, going] = [event(), event()]
    const { store } = ground
    const held = {
      ...store,
      planner: {
        ...store.planner,
        async plan(...args: Parameters<typeof store.planner.plan>) {
          const plan = await store.planner.plan(...args)
          planned.happen()
          await going.happened
          return plan
        },
      },
    }
    const options = { endpoints: {}, notesFolder: '/nowhere' }
    const late = createReleaseEffects({ store: held, ...options }).planRelease(order)
    await planned.happened
    await store.tenants.put('acme', { ring: 'early' }, { by: 'ann', reason: 'for a test' })
    const inForce = await createReleaseEffects({ store, ...options }).planRelease(order)
    going.happen()
    expect(await late).toEqual(inForce)
    const { plan } = await store.releases.get(order.releaseId)
    expect(inForce).toMatchObject({ kind: 'planned', digest: plan })
    const decisions = await store.releases.decisions(order.releaseId)
    expect(decisions.filter(({ kind }) => kind === 'plan')).toMatchObject([{ evidence: { plan } }])
  })
})
