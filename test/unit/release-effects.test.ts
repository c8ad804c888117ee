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

    test('knows the decisions of a release that has thousands of them', async () => {
      const release = await planned()
      await release.advance(0)
      const { releases, database } = ground.store
      const { decisionSeq } = await releases.get(release.id)
      const count = 2_100
      const others = Array.from({ length: count }, (_, index) => {
        const seq = decisionSeq + 1 + index
        const about = { releaseId: release.id, seq, at: 0, kind: 'assessment', by: 'guardrail', reason: '' }
        return { _id: `${release.id}/${seq}`, ...about, evidence: {}, code: '', prev: '', hash: '' }
      })
      await database.collection<{ _id: string }>('decisions').insertMany(others)
      await database
        .collection<{ _id: string }>('releases')
        .updateOne({ _id: release.id }, { $set: { decisionSeq: decisionSeq + count } })
      await release.withdraw()
      expect(await release.watch({})).toEqual({ kind: 'withdrawn', by: 'ann', reason: 'for a test' })
      expect(await releases.lastDecision(release.id, 'rollback')).toMatchObject({ by: 'ann', reason: 'for a test' })
    })

    test('tells the release that its lane was rolled back by hand', async () => {
      const release = await planned()
      for (const [step, from] of [[0], [1, 0]] as const) await release.advance(step, from)
      await release.lane.rollback()
      expect(await release.watch({})).toMatchObject({ kind: 'withdrawn', by: 'ledger' })
    })

    test('looks on while the release is told to pause by a Temporal that does not answer', async () => {
      const release = await planned()
      for (const [step, from] of [[0], [1, 0]] as const) await release.advance(step, from)
      let asked = 0
      let answer: () => void = () => undefined
      const askPause = () => {
        asked += 1
        return new Promise<void>((resolve) => {
          answer = resolve
        })
      }
      const watching = release.watch({ askPause })
      await release.lane.flag(true)
      await until('it is told to pause', async () => asked === 1)
      const ticks = async () => (await ground.store.releases.lastTick(release.id))?.tick ?? 0
      const before = await ticks()
      await until('it looks on', async () => (await ticks()) >= before + 3)
      expect(asked).toBe(1)
      answer()
      await until(
        'the pause is on record',
        async () => (await ground.store.releases.pauseCauses(release.id)).size === 1,
      )
      await release.withdraw()
      expect(await watching).toMatchObject({ kind: 'withdrawn', by: 'ann' })
      expect(asked).toBe(1)
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
