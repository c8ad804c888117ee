import type { Digest } from '../../src/domain/version'
import { type LaneGround, laneGround, production } from '../support/lane-ground'
import { crossingPolicy, plannedRelease } from '../support/planned-release'
import { emptyBatch, unitName, unitReport } from '../support/traffic'
import { until } from '../support/until'

const conversations = 200
const guardrail = { metric: 'error_rate', role: 'pause', margin: 0.25, noEvidence: 'extend' }

describe('a comparison that paused a release', () => {
  let ground: LaneGround
  let policy: Digest
  beforeAll(async () => {
    ground = await laneGround()
    policy = await crossingPolicy(ground, 'crossing', { guardrails: [guardrail] })
  })
  afterAll(() => ground.end())

  it('keeps it from going on until a person went on in spite of it, and not for ever', async () => {
    const release = await plannedRelease(ground, policy)
    for (const [step, from] of [[0], [1, 0]] as const) await release.advance(step, from)
    const { headSeq: seq, incumbent = release.candidate } = await release.lane.state()
    const strata = (['candidate', 'incumbent'] as const).map((arm, half) => {
      const failed = arm === 'candidate' ? { errors: 1, events: ['error'] as const } : {}
      const units = Array.from({ length: conversations }, (_, index) =>
        unitReport({ unit: unitName(half * conversations + index), ...failed, closed: true }),
      )
      const composite = arm === 'candidate' ? release.candidate : incumbent
      return { task: release.lane.task, seq, slice: 0, arm, composite, units }
    })
    await ground.store.telemetry.ingest({ ...emptyBatch('reporter-1'), environment: production, strata }, 'app')
    const waiting = expect.objectContaining({ type: 'waiting_for_evidence' })
    await expect(release.advance('settle', 1)).rejects.toEqual(waiting)
    const asked: string[] = []
    const watching = release.watch({ askPause: async (_, reason) => void asked.push(reason) })
    const { releases, database } = ground.store
    await until('the pause is on record', async () => (await releases.pauseCauses(release.id)).size > 0)
    expect(asked).toHaveLength(1)
    await expect(release.advance('settle', 1)).rejects.toEqual(waiting)
    // As if it had been paused a while ago: that an attempt of this step runs now says that a person resumed.
    await database
      .collection('decisions')
      .updateMany({ kind: 'pause' }, [{ $set: { at: { $subtract: ['$at', 60_000] } } }])
    expect(await release.advance('settle', 1)).toMatchObject({ kind: 'appended' })
    expect(await watching).toEqual({ kind: 'ended' })
    expect(await releases.lastDecision(release.id, 'settle')).toMatchObject({
      evidence: { judged: { input: { accepted: expect.arrayContaining(['error_rate']) } } },
    })
  })
})
