import { ActivityCancellationDetails } from '@temporalio/common'
import { MockActivityEnvironment } from '@temporalio/testing'
import { settleEarlierLanes } from '../../activities/advance'
import { watchRelease } from '../../activities/watch'
import type { Digest } from '../../src/domain/version'
import { type LaneGround, laneGround, production } from '../support/lane-ground'
import { crossingPolicy, plannedRelease, type TestRelease } from '../support/planned-release'
import { emptyBatch, unitName, unitReport } from '../support/traffic'
import { until } from '../support/until'

describe('the effects of a release', () => {
  let ground: LaneGround
  let policy: Digest
  beforeAll(async () => {
    ground = await laneGround()
    policy = await crossingPolicy(ground, 'crossing')
  })
  afterAll(() => ground.end())

  const planned = (): Promise<TestRelease> => plannedRelease(ground, policy)

  describe('a step that comes too late', () => {
    test('appends nothing where the release was withdrawn before it wrote that lane', async () => {
      const release = await planned()
      expect(await release.advance(0)).toMatchObject({ kind: 'appended' })
      expect(await release.withdraw()).toEqual([`staging/${release.lane.task}`])
      expect(await release.advance(1, 0)).toMatchObject({ kind: 'refused', code: 'release_closed' })
      expect(await release.exposed()).toEqual([])
    })

    test('appends nothing where the release was withdrawn before it wrote any lane', async () => {
      const release = await planned()
      expect(await release.withdraw()).toEqual([])
      expect(await release.advance(0)).toMatchObject({ kind: 'refused', code: 'release_closed' })
      expect(await release.exposed()).toEqual([])
    })

    test('appends nothing once the release is closed', async () => {
      const release = await planned()
      await ground.store.releases.update(release.id, { phase: 'rolled_back' })
      expect(await release.advance(0)).toMatchObject({ kind: 'refused', code: 'release_closed' })
      expect((await ground.store.releases.get(release.id)).phase).toBe('rolled_back')
    })

    test('and a withdrawal at the same time leave nothing exposed, whoever comes first', async () => {
      for (let round = 0; round < 5; round++) {
        const release = await planned()
        await Promise.all([release.advance(0), release.withdraw()])
        expect(await release.exposed()).toEqual([])
      }
    })
  })

  test('a lane that a person rolled back while the release waits for evidence is found at the next look', async () => {
    const release = await planned()
    for (const [step, from] of [[0], [1, 0]] as const) await release.advance(step, from)
    await release.lane.rollback()
    expect(await release.advance('settle', 1)).toEqual({ kind: 'moved', cause: 'rollback' })
  })

  describe('the safety clock', () => {
    test('tells the release that somebody else withdrew it, and who and why', async () => {
      const release = await planned()
      await release.advance(0)
      await release.withdraw()
      expect(await release.watch({})).toEqual({ kind: 'withdrawn', by: 'ann', reason: 'for a test' })
    })

    test('tells the release that its lane was rolled back by hand', async () => {
      const release = await planned()
      for (const [step, from] of [[0], [1, 0]] as const) await release.advance(step, from)
      await release.lane.rollback()
      expect(await release.watch({})).toMatchObject({ kind: 'withdrawn', by: 'ledger' })
    })

    test('pauses once for a cause, also after it starts again, and again for a new one', async () => {
      const release = await planned()
      for (const [step, from] of [[0], [1, 0]] as const) await release.advance(step, from)
      const asked: string[] = []
      const askPause = async (_release: unknown, reason: string) => void asked.push(reason)
      const looks = async (count: number) => {
        const before = (await ground.store.releases.lastTick(release.id))?.tick ?? 0
        const environment = new MockActivityEnvironment()
        const whole = { store: ground.store, endpoints: {}, tickMs: 10, askPause, isRunning: async () => true }
        const watching = environment.run(watchRelease, whole, release.id).catch((error: Error) => error.message)
        await until(
          'it looked',
          async () => ((await ground.store.releases.lastTick(release.id))?.tick ?? 0) >= before + count,
        )
        environment.cancel('WORKER_SHUTDOWN', new ActivityCancellationDetails({ workerShutdown: true }))
        expect(await watching).toContain('the next one goes on')
      }
      await release.lane.flag(true)
      await looks(3)
      expect(asked).toEqual(['disabled'])
      await looks(3)
      expect(asked).toEqual(['disabled'])
      await release.lane.flag(false)
      await release.lane.flag(true)
      await looks(2)
      expect(asked).toEqual(['disabled', 'disabled'])
    })
  })

  test('a record that was closed before a worker took it up is taken up by no run', async () => {
    const { releases } = ground.store
    const request = { task: 'any', change: {}, why: 'for a test' }
    const draft = { id: 'never-taken-up', task: 'any', request, author: 'ann', workflowId: 'release/any' }
    await releases.create(draft)
    await releases.update(draft.id, { phase: 'rolled_back' })
    await expect(releases.adopt({ ...draft, runId: 'late' })).rejects.toMatchObject({ code: 'release_closed' })
  })

  test('an earlier lane that was disabled meanwhile does not take back what settled where it counts', async () => {
    const release = await planned()
    for (const [step, from] of [[0], [1, 0]] as const) await release.advance(step, from)
    await ground.store.telemetry.ingest(batchOf(release, (await release.lane.state()).headSeq), 'app')
    expect(await release.advance('settle', 1)).toMatchObject({ kind: 'appended' })
    await release.lane.flag(true, 'staging')
    await settleEarlierLanes(ground.store, release.id)
    expect((await release.lane.state()).incumbent).toBe(release.candidate)
    expect((await release.lane.state('staging')).disabled).toBe(true)
  })
})

/** One conversation of the candidate in the step of this entry. */
const batchOf = ({ lane, candidate }: TestRelease, seq: number) => ({
  ...emptyBatch('reporter-1'),
  environment: production,
  strata: [
    {
      ...{ task: lane.task, seq, slice: 0, arm: 'candidate' as const, composite: candidate },
      units: [unitReport({ unit: unitName(1), tenant: 'acme' })],
    },
  ],
})
