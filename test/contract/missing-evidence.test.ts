import { ActivityCancellationDetails } from '@temporalio/common'
import { MockActivityEnvironment } from '@temporalio/testing'
import { watchRelease } from '../../activities/watch'
import { type LaneGround, laneGround, production } from '../support/lane-ground'
import { crossing, crossingPolicy, plannedRelease, type TestRelease } from '../support/planned-release'
import { type PrometheusServer, startPrometheus } from '../support/prometheus-server'
import { emptyBatch, unitName, unitReport } from '../support/traffic'
import { until } from '../support/until'

const few = 3
const steps = [{ basisPoints: 5_000, bakeMs: 0, minimumSample: 50 }]
const rollout = 1
let policies = 0

/** What the policy says of missing evidence is done by the safety clock once the step clock has seen the bake end. */
describe('evidence that is missing after the bake', () => {
  let ground: LaneGround
  let prometheus: PrometheusServer
  beforeAll(async () => {
    ground = await laneGround()
    prometheus = await startPrometheus()
    prometheus.says(() => undefined)
  })
  afterAll(async () => {
    await prometheus.close()
    await ground.end()
  })

  async function exposed(changes: object): Promise<TestRelease> {
    const policy = await crossingPolicy(ground, `missing-${++policies}`, { ...crossing, steps, ...changes })
    const release = await plannedRelease(ground, policy)
    for (const [step, from] of [[0], [rollout, 0]] as const) await release.advance(step, from)
    const { headSeq, incumbent = release.candidate } = await release.lane.state()
    const strata = ([release.candidate, incumbent] as const).map((composite, half) => ({
      ...{ task: release.lane.task, seq: headSeq, slice: 0, composite },
      arm: half === 0 ? ('candidate' as const) : ('incumbent' as const),
      units: Array.from({ length: few }, (_, index) =>
        unitReport({ unit: unitName(half * few + index), closed: true }),
      ),
    }))
    const batch = { ...emptyBatch('reporter-1'), environment: production, strata }
    expect((await ground.store.telemetry.ingest(batch, 'app')).refused).toEqual([])
    return release
  }

  function watched({ id }: TestRelease) {
    const environment = new MockActivityEnvironment()
    let beats = 0
    environment.on('heartbeat', () => {
      beats += 1
    })
    const asked: string[] = []
    const askPause = async (_: unknown, reason: string) => void asked.push(reason)
    const endpoints = { metrics: { url: prometheus.url } }
    const deps = { store: ground.store, endpoints, tickMs: 50, askPause, isRunning: async () => true }
    const outcome = environment.run(watchRelease, deps, id).catch((error: Error) => error.message)
    return {
      asked,
      outcome,
      async looksTwice() {
        const before = beats
        await until('it looked again', async () => beats >= before + 2)
      },
      async stop() {
        environment.cancel('WORKER_SHUTDOWN', new ActivityCancellationDetails({ workerShutdown: true }))
        await outcome
      },
    }
  }

  const waits = (release: TestRelease) => expect(release.advance('settle', rollout)).rejects.toThrow('waiting for')
  const decided = async ({ id }: TestRelease, kind: 'pause' | 'rollback') =>
    ground.store.releases.decisions(id, { kinds: [kind] })

  const guarded = (noEvidence: string) => ({
    guardrails: [{ metric: 'error_rate', role: 'rollback', margin: 0.25, noEvidence }],
  })
  test('pauses once where the policy says so', async () => {
    const release = await exposed(guarded('pause'))
    const watch = watched(release)
    await watch.looksTwice()
    expect(watch.asked).toEqual([])
    await waits(release)
    await until('it asks for a pause', async () => watch.asked.length > 0)
    await waits(release)
    await watch.looksTwice()
    expect(watch.asked).toEqual([expect.stringContaining('3 / 3 of the 50 it needs')])
    expect(await decided(release, 'pause')).toHaveLength(1)
    await watch.stop()
  })

  test('rolls back once where the policy says so, and says why', async () => {
    const release = await exposed(guarded('rollback'))
    const watch = watched(release)
    await watch.looksTwice()
    expect(await decided(release, 'rollback')).toEqual([])
    await waits(release)
    expect(await watch.outcome).toMatchObject({ kind: 'withdrawn', reason: expect.stringContaining('3 / 3 of the 50') })
    const [made] = await decided(release, 'rollback')
    expect(made).toMatchObject({ evidence: { judged: { input: { step: { bakeComplete: true } } } } })
    expect(await release.exposed()).toEqual([])
  })

  test.each([2, 90])('keeps a step waiting while nobody reports, also after %i minutes', async (minutes) => {
    const release = await exposed({ steps: [{ ...steps[0], minimumSample: few }] })
    const reporters = ground.store.database.collection('reporters')
    await reporters.updateMany({}, [{ $set: { seenAt: { $subtract: ['$$NOW', minutes * 60_000] } } }])
    await expect(release.advance('settle', rollout)).rejects.toThrow('waiting for reporters_silent')
    await ground.store.telemetry.ingest({ ...emptyBatch('reporter-1'), environment: production }, 'app')
    expect(await release.advance('settle', rollout)).toMatchObject({ kind: 'appended' })
  })

  test('of a step that has only begun waits, though the bake of the one before is over', async () => {
    const twoSteps = [
      { ...steps[0], minimumSample: 0 },
      { ...steps[0], basisPoints: 9_000 },
    ]
    const release = await exposed({ ...guarded('rollback'), steps: twoSteps })
    await release.advance(rollout + 1, rollout)
    const watch = watched(release)
    await watch.looksTwice()
    expect(await decided(release, 'rollback')).toEqual([])
    await watch.stop()
  })
})
