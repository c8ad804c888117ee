import type { Digest } from '../../src/domain/version'
import type { Database } from '../../src/store/database'
import type { Store } from '../../src/store/store'
import { type LaneGround, laneGround } from '../support/lane-ground'
import { crossingPolicy, plannedRelease } from '../support/planned-release'

const rollout = 1

describe('a step whose transaction waits for a new primary, or whose process stands still', () => {
  let ground: LaneGround
  let policy: Digest
  let stallMs = 0
  beforeAll(async () => {
    const real = await laneGround()
    policy = await crossingPolicy(real, 'stalling')
    ground = { ...real, store: stalling(real.store) }
  })
  afterAll(() => ground.end())

  /** Between the judgement and the transaction the store's clock goes on. */
  function stalling(store: Store): Store {
    let passedMs = 0
    const { transact, now } = store.database
    const database: Partial<Database> = {
      now: async (session) => (await now(session)) + passedMs,
      transact(work) {
        passedMs += stallMs
        return transact(work)
      },
    }
    return { ...store, database: { ...store.database, ...database } }
  }

  test('is judged again before it is taken', async () => {
    const release = await plannedRelease(ground, policy)
    for (const [step, from] of [[0], [rollout, 0]] as const) await release.advance(step, from)
    const { headSeq } = await release.lane.state()
    stallMs = 60_000
    await expect(release.advance('settle', rollout)).rejects.toThrow('waiting for a judgement of now')
    expect(await release.lane.state()).toMatchObject({ headSeq, candidate: release.candidate })
    stallMs = 0
    expect(await release.advance('settle', rollout)).toMatchObject({ kind: 'appended', seq: headSeq + 1 })
  })
})
