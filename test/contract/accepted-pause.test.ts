import type { Digest } from '../../src/domain/version'
import { type LaneGround, laneGround, production } from '../support/lane-ground'
import { crossingPolicy, plannedRelease } from '../support/planned-release'
import { emptyBatch, unitName, unitReport } from '../support/traffic'
import { until } from '../support/until'

const conversations = 200
const outputs = [{ field: 'mood', classes: ['good', 'bad'], role: 'pause' }]
const minuteMs = 60_000

describe('outputs that differ, for which a release was paused', () => {
  let ground: LaneGround
  let policy: Digest
  beforeAll(async () => {
    ground = await laneGround()
    policy = await crossingPolicy(ground, 'crossing', { outputs, guardrails: [] })
  })
  afterAll(() => ground.end())

  it('keep it from going on until a person resumed it, which schedules the step anew', async () => {
    const release = await plannedRelease(ground, policy)
    for (const [step, from] of [[0], [1, 0]] as const) await release.advance(step, from)
    const { headSeq: seq, incumbent = release.candidate } = await release.lane.state()
    const strata = (['candidate', 'incumbent'] as const).map((arm, half) => {
      const units = Array.from({ length: conversations }, (_, index) =>
        unitReport({ unit: unitName(half * conversations + index), closed: true, outputs: [{ class: half }] }),
      )
      const composite = arm === 'candidate' ? release.candidate : incumbent
      return { task: release.lane.task, seq, slice: 0, arm, composite, units }
    })
    const batch = { ...emptyBatch('reporter-1'), environment: production, strata }
    expect((await ground.store.telemetry.ingest(batch, 'app')).refused).toEqual([])
    const { releases } = ground.store
    const waits = async (scheduledAt: number) =>
      expect(release.advance('settle', 1, undefined, scheduledAt)).rejects.toMatchObject({
        type: 'waiting_for_evidence',
        message: expect.stringContaining('output_differs'),
      })
    const scheduledAt = await ground.store.database.now()
    await waits(scheduledAt)
    const asked: string[] = []
    const watching = release.watch({ askPause: async (_, reason) => void asked.push(reason) })
    await until('the pause is on record', async () => (await releases.pauseCauses(release.id)).size > 0)
    expect(asked).toHaveLength(1)
    // Attempts of before the pause: its workflow may not have heard of it yet.
    await waits(scheduledAt)
    const resumed = await release.advance('settle', 1, undefined, scheduledAt + minuteMs)
    expect(resumed).toMatchObject({ kind: 'appended' })
    expect(await watching).toEqual({ kind: 'ended' })
    expect(await releases.lastDecision(release.id, 'settle')).toMatchObject({
      evidence: { judged: { input: { accepted: ['output:mood'] } } },
    })
  })
})
