import { type LaneGround, laneGround, production } from '../support/lane-ground'
import { crossing, crossingPolicy, plannedRelease } from '../support/planned-release'
import { emptyBatch, unitName, unitReport } from '../support/traffic'
import { until } from '../support/until'

let ground: LaneGround
let units = 0

beforeAll(async () => {
  ground = await laneGround()
})

afterAll(() => ground.end())

test('harm that one key of three hides stops the advance, and the release pauses naming that key', async () => {
  const policy = await crossingPolicy(ground, 'hidden', {
    ...crossing,
    steps: [{ basisPoints: 5_000, bakeMs: 0, minimumSample: 50 }],
    guardrails: [{ metric: 'error_rate', role: 'rollback', margin: 0.25, noEvidence: 'extend' }],
  })
  const release = await plannedRelease(ground, policy)
  for (const [step, from] of [[0], [1, 0]] as const) await release.advance(step, from)
  const { headSeq, incumbent = release.candidate } = await release.lane.state()
  const tell = async (key: string, count: number, failing: readonly [number, number]) => {
    const strata = ([release.candidate, incumbent] as const).map((composite, arm) => ({
      ...{ task: release.lane.task, seq: headSeq, slice: 0, composite },
      arm: arm === 0 ? ('candidate' as const) : ('incumbent' as const),
      units: Array.from({ length: count }, (_, index) => {
        const failed = index < (failing[arm] ?? 0) ? { errors: 1, events: ['error'] as const } : {}
        return unitReport({ unit: unitName(++units), ...failed, closed: true })
      }),
    }))
    const batch = { ...emptyBatch(`process-of-${key}`), environment: production, strata }
    expect((await ground.store.telemetry.ingest(batch, key)).refused).toEqual([])
  }
  await tell('app-3', 60, [0, 40])
  for (const key of ['app-1', 'app-2']) await tell(key, 120, [14, 1])
  await expect(release.advance('settle', 1)).rejects.toThrow('waiting for one_reporter')
  const asked: string[] = []
  const watching = release.watch({ askPause: async (_, reason) => void asked.push(reason) })
  await until('it asks for a pause', async () => asked.length > 0)
  expect(asked[0]).toContain('worse without key app-3')
  await release.withdraw()
  await watching
  const [pause] = await ground.store.releases.decisions(release.id, { kinds: ['pause'] })
  expect(pause?.evidence).toMatchObject({ causes: [expect.stringContaining('one_reporter')] })
  await ground.store.releases.verifyDecisions(release.id)
})
