import { shadowRelease } from '../../activities/shadow'
import type { Digest } from '../../src/domain/version'
import { watchReads } from '../../src/store/watch-reads'
import { type LaneGround, laneGround, production } from '../support/lane-ground'
import { crossing, crossingPolicy, plannedRelease, type TestRelease } from '../support/planned-release'
import { emptyBatch } from '../support/traffic'

const minuteMs = 60_000
const rollout = 1

/** While no server is there, or the database takes no writes, applications hold what they saw. */
describe('servers that were away', () => {
  let ground: LaneGround
  let policy: Digest
  beforeAll(async () => {
    ground = await laneGround()
    policy = await crossingPolicy(ground, 'attended')
  })
  afterAll(() => ground.end())
  beforeEach(async () => {
    await ground.store.database.collection('attendance').deleteMany({})
    await ground.store.database.collection('reporters').deleteMany({})
  })

  const attendance = () => ground.store.attendance
  /** As if everything that was signed or heard so far had been so much earlier. */
  async function later(ms: number): Promise<void> {
    const { database } = ground.store
    const earlier = (field: string) => ({ $subtract: [`$${field}`, ms] })
    await database.collection('attendance').updateMany({}, [{ $set: { at: earlier('at'), since: earlier('since') } }])
    await database.collection('reporters').updateMany({}, [{ $set: { seenAt: earlier('seenAt') } }])
  }
  async function attended(forMs: number): Promise<void> {
    for (let passed = 0; passed < forMs; passed += 5_000) {
      await later(5_000)
      await attendance().sign()
    }
  }
  const isSilent = async () => (await watchReads(ground.store).telemetry.reporters.silence(production)) !== 'none'
  const report = () => ground.store.telemetry.ingest({ ...emptyBatch('one'), environment: production }, 'app')

  test('count from their return on; before the first sign ever nobody was away', async () => {
    expect(await attendance().ms()).toBe(Number.POSITIVE_INFINITY)
    await attendance().sign()
    expect(await attendance().ms()).toBeGreaterThan(minuteMs)
    await later(20_000)
    expect(await attendance().ms()).toBe(0)
    await attendance().sign()
    expect(await attendance().ms()).toBeLessThan(20_000)
    await attended(30_000)
    expect(await attendance().ms()).toBeGreaterThanOrEqual(30_000)
  })

  test('make no application silent: they are after a while in which they could have told', async () => {
    await attendance().sign()
    await report()
    await later(90_000)
    expect(await isSilent()).toBe(false)
    await attended(20_000)
    expect(await isSilent()).toBe(false)
    await attended(15_000)
    expect(await isSilent()).toBe(true)
    await report()
    expect(await isSilent()).toBe(false)
  })

  async function exposed(): Promise<TestRelease> {
    const release = await plannedRelease(ground, policy)
    for (const [step, from] of [[0], [rollout, 0]] as const) await release.advance(step, from)
    return release
  }

  test('let no bake end before applications told what they held: no step, and no missing evidence', async () => {
    const release = await exposed()
    const baked = async () => (await ground.store.releases.get(release.id)).bakedSeq
    await attendance().sign()
    await later(90_000)
    await expect(release.advance('settle', rollout)).rejects.toThrow('waiting for servers to report to')
    await attendance().sign()
    await expect(release.advance('settle', rollout)).rejects.toThrow('waiting for servers to report to')
    expect(await baked()).toBeUndefined()
    await attended(65_000)
    expect(await release.advance('settle', rollout)).toMatchObject({ kind: 'appended' })
    expect(await baked()).toBeDefined()
  })

  test('let no shadow end before applications told what they held', async () => {
    const shadow = {
      basisPoints: 5_000,
      minimumSample: 1,
      bakeMs: 0,
      deadlineMs: 0,
      usdPerHour: 1,
      guardrails: [],
      noEvidence: 'rollback',
    }
    policy = await crossingPolicy(ground, 'attended-shadow', { ...crossing, shadow })
    const release = await plannedRelease(ground, policy)
    await attendance().sign()
    await later(90_000)
    await ground.store.releases.tick(release.id)
    await expect(shadowRelease(ground.store, release.id)).rejects.toThrow('servers to report to')
    await attendance().sign()
    await attended(65_000)
    expect(await shadowRelease(ground.store, release.id)).toMatchObject({ kind: 'withdraw' })
  })

  test('let no deadline pass unseen: the last look waits for them, and then says what it found', async () => {
    const wanting = { ...crossing, steps: [{ basisPoints: 5_000, bakeMs: 0, minimumSample: 1 }] }
    policy = await crossingPolicy(ground, 'attended-wanting', wanting)
    const release = await exposed()
    await attendance().sign()
    await later(90_000)
    await expect(release.advance('settle', rollout, true)).rejects.toThrow('servers to report to')
    await attendance().sign()
    await attended(65_000)
    await expect(release.advance('settle', rollout)).rejects.toThrow('waiting for no_traffic')
    expect(await release.advance('settle', rollout, true)).toEqual({ kind: 'late' })
  })
})
