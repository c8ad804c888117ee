import { ActivityCancellationDetails } from '@temporalio/common'
import { MockActivityEnvironment } from '@temporalio/testing'
import { type WatchDeps, watchRelease } from '../../activities/watch'
import { isVetoed } from '../../src/domain/lane'
import type { Digest } from '../../src/domain/version'
import { type LaneGround, laneGround, production } from '../support/lane-ground'
import { crossingPolicy, plannedRelease, type TestRelease } from '../support/planned-release'
import { emptyBatch, unitName, unitReport } from '../support/traffic'
import { until } from '../support/until'

const conversations = 200
const guardrail = { metric: 'error_rate', role: 'rollback', margin: 0.25, noEvidence: 'extend' }

/** After a heartbeat time-out the next attempt begins while the one that was given up may still run. */
describe('two attempts of the safety clock at once on one release', () => {
  let ground: LaneGround
  let policy: Digest
  beforeAll(async () => {
    ground = await laneGround()
    policy = await crossingPolicy(ground, 'crossing', { guardrails: [guardrail] })
  })
  afterAll(() => ground.end())

  async function exposed(): Promise<TestRelease> {
    const release = await plannedRelease(ground, policy)
    for (const [step, from] of [[0], [1, 0]] as const) await release.advance(step, from)
    return release
  }

  const ticksOf = async ({ id }: TestRelease) => (await ground.store.releases.lastTick(id))?.tick ?? 0

  /** An attempt that runs until it is told that its worker shuts down. */
  function attempt({ id }: TestRelease, askPause: WatchDeps['askPause'] = async () => undefined) {
    const environment = new MockActivityEnvironment()
    let beats = 0
    environment.on('heartbeat', () => {
      beats += 1
    })
    const deps = { store: ground.store, endpoints: {}, tickMs: 100, askPause, isRunning: async () => true }
    const outcome = environment.run(watchRelease, deps, id).catch((error: Error) => error.message)
    return {
      outcome,
      async looksAgain() {
        const before = beats
        // The first beat may end a look that was under way already.
        await until('it looked again', async () => beats >= before + 2)
      },
      async stop() {
        environment.cancel('WORKER_SHUTDOWN', new ActivityCancellationDetails({ workerShutdown: true }))
        expect(await outcome).toContain('the next one goes on')
      },
    }
  }

  async function report({ lane, candidate }: TestRelease, failing: boolean): Promise<void> {
    const { headSeq, incumbent = candidate } = await lane.state()
    const strata = (['candidate', 'incumbent'] as const).map((arm, half) => {
      const failed = failing && arm === 'candidate' ? { errors: 1, events: ['error'] as const } : {}
      const units = Array.from({ length: conversations }, (_, index) =>
        unitReport({ unit: unitName(half * conversations + index), ...failed, closed: true }),
      )
      const composite = arm === 'candidate' ? candidate : incumbent
      return { task: lane.task, seq: headSeq, slice: 0, arm, composite, units }
    })
    const batch = { ...emptyBatch('reporter-1'), environment: production, strata }
    expect((await ground.store.telemetry.ingest(batch, 'app')).refused).toEqual([])
  }

  test.each([1, 2, 3])('harm is ended once: one rollback, one hold, one veto (round %i)', async () => {
    const release = await exposed()
    const attempts = [attempt(release), attempt(release)]
    for (const one of attempts) await one.looksAgain()
    const before = await ticksOf(release)
    await report(release, true)
    const outcomes = await Promise.all(attempts.map(({ outcome }) => outcome))
    for (const outcome of outcomes) expect(outcome).toMatchObject({ kind: 'withdrawn', by: 'guardrail' })
    const { releases } = ground.store
    for (const environment of [production, 'staging']) {
      const entries = await release.lane.entries(environment)
      expect(entries.filter(({ cause }) => cause === 'rollback')).toHaveLength(1)
      expect(await release.lane.verify(environment)).toBe(entries.length)
      const lane = await release.lane.state(environment)
      expect([lane.hold?.by, lane.vetoes.length, isVetoed(lane, release.candidate)]).toEqual(['guardrail', 1, true])
    }
    const decisions = await releases.decisions(release.id, { limit: 200 })
    expect(decisions.filter(({ kind }) => kind === 'rollback')).toHaveLength(1)
    expect(await releases.verifyDecisions(release.id)).toEqual({ decisions: decisions.length })
    expect((await releases.get(release.id)).phase).toBe('rolling_back')
    expect(await ticksOf(release)).toBeGreaterThan(before)
  })

  test('each look that is kept is in the chain once, and the ticks of both are counted', async () => {
    const release = await exposed()
    const attempts = [attempt(release), attempt(release)]
    for (const one of attempts) await one.looksAgain()
    const seen = [await ticksOf(release)]
    await report(release, false)
    for (let round = 0; round < 3; round++) {
      for (const one of attempts) await one.looksAgain()
      seen.push(await ticksOf(release))
    }
    for (const one of attempts) await one.stop()
    expect(seen).toEqual([...new Set(seen)].sort((left, right) => left - right))
    const decisions = await ground.store.releases.decisions(release.id, { kinds: ['assessment'], limit: 200 })
    const numbers = decisions.map(({ evidence }) => (evidence as { checkpoint: { number: number } }).checkpoint.number)
    expect(numbers.length).toBeGreaterThan(0)
    expect(new Set(numbers).size).toBe(numbers.length)
    await ground.store.releases.verifyDecisions(release.id)
  })

  test('a cause to pause is decided once, and nobody who went on in spite of it is asked again', async () => {
    const release = await exposed()
    const asked: string[] = []
    const early = attempt(release, async () => void asked.push('early'))
    let isHeldUp = true
    const late = attempt(release, async () => {
      if (isHeldUp) throw new Error('Temporal does not answer this one')
      asked.push('late')
    })
    for (const one of [early, late]) await one.looksAgain()
    await release.lane.flag(true)
    await until('one of them told it', async () => asked.length > 0)
    // A look of the other one that began before this was told has ended, too.
    for (const one of [early, late]) await one.looksAgain()
    isHeldUp = false
    for (const one of [early, late]) await one.looksAgain()
    await late.looksAgain()
    expect(asked).toEqual(['early'])
    for (const one of [early, late]) await one.stop()
    expect(await ground.store.releases.decisions(release.id, { kinds: ['pause'] })).toHaveLength(1)
  })

  test('a cause that both find at the same moment is decided once', async () => {
    const release = await exposed()
    const asked = new Set<string>()
    // Neither writes before both have asked, as where both find it within one look.
    const together = (name: string) => async () => {
      asked.add(name)
      await until('both ask', async () => asked.size === 2)
    }
    await release.lane.flag(true)
    const attempts = [attempt(release, together('one')), attempt(release, together('other'))]
    for (const one of attempts) await one.looksAgain()
    for (const one of attempts) await one.stop()
    expect([...asked].sort()).toEqual(['one', 'other'])
    expect(await ground.store.releases.decisions(release.id, { kinds: ['pause'] })).toHaveLength(1)
    await ground.store.releases.verifyDecisions(release.id)
  })
})
