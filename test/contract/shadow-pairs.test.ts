import { shadowBounds } from '../../src/domain/shadow'
import { type LaneGround, laneGround, production, type TestLane } from '../support/lane-ground'
import { shadowPairs } from '../support/shadow-pairs'

const releaseId = 'r1'

describe('pairs of a shadow in the store', () => {
  let ground: LaneGround
  let lane: TestLane
  beforeAll(async () => {
    ground = await laneGround()
  })
  afterAll(() => ground.end())
  beforeEach(async () => {
    lane = await ground.lane()
    await ground.store.database.db.collection('shadowPairs').deleteMany({})
    await ground.store.database.db
      .collection<{ _id: string }>('shadows')
      .replaceOne(
        { _id: `${production}/${lane.task}` },
        { ...{ environment: production, task: lane.task, releaseId, usdPerHour: 300, until: Number.MAX_SAFE_INTEGER } },
        { upsert: true },
      )
  })
  afterEach(() => ground.store.shadows.end(releaseId))

  const pairs = (count: number, from = 0) => shadowPairs(count, { releaseId, task: lane.task, from })
  const take = (given: ReturnType<typeof pairs>, environment = production) =>
    ground.store.shadows.take(environment, given, 'app')

  it('are bounded: what finds no room is left out, and applications are told to hold off', async () => {
    const batch = 1_000
    for (let from = 0; from < shadowBounds.pairs - batch; from += batch) {
      expect(await take(pairs(batch, from))).toMatchObject({ taken: batch })
    }
    expect(await take(pairs(2 * batch, shadowBounds.pairs - batch))).toEqual({ taken: batch, holdMs: 30_000 })
    expect(await take(pairs(5, 2 * shadowBounds.pairs))).toEqual({ taken: 0, holdMs: 30_000 })
    expect(await ground.store.shadows.units(releaseId)).toHaveLength(shadowBounds.pairs)
  })

  it('hold applications off once the money of the hour is spent', async () => {
    const costly = pairs(4).map((pair) => ({ ...pair, candidate: { ...pair.candidate, costUsd: 100 } }))
    expect(await take(costly.slice(0, 2))).toEqual({ taken: 2, holdMs: 0 })
    expect(await take(costly.slice(2))).toEqual({ taken: 2, holdMs: 30_000 })
  })

  it('count once however often they are delivered, and not at all in another environment or for another task', async () => {
    expect(await take(pairs(3))).toEqual({ taken: 3, holdMs: 0 })
    expect(await take(pairs(4))).toEqual({ taken: 1, holdMs: 0 })
    expect(await take(pairs(5), 'staging')).toEqual({ taken: 0, holdMs: 0 })
    expect(await take(pairs(5).map((pair) => ({ ...pair, task: 'another' })))).toEqual({ taken: 0, holdMs: 0 })
    expect(await ground.store.shadows.units(releaseId)).toHaveLength(4)
  })
})
