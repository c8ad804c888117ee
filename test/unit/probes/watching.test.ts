import { startProbing } from '../../../activities/probing'
import type { ReleaseRequest } from '../../../src/domain/plan'
import type { Policy } from '../../../src/domain/policy'
import type { Digest } from '../../../src/domain/version'
import { openRelease } from '../../../src/store/assessor'
import { type LaneGround, laneGround, refusal } from '../../support/lane-ground'
import { crossingPolicy, plannedRelease, type TestRelease } from '../../support/planned-release'
import { body, type PrometheusServer, startPrometheus, vector } from '../../support/prometheus-server'
import { until } from '../../support/until'

const probe = {
  name: 'errors',
  provider: 'prometheus',
  endpoint: 'metrics',
  query: 'x{task="{{task}}",arm="{{candidate}}"}',
  atMost: 0.1,
  everyMs: 1_000,
  maxAgeMs: 7_000,
}
let policies = 0

describe('the probes of a watched release', () => {
  let ground: LaneGround
  let prometheus: PrometheusServer
  let endpoints: Record<string, { url: string }>
  beforeAll(async () => {
    ground = await laneGround()
  })
  afterAll(() => ground.end())
  beforeEach(async () => {
    prometheus = await startPrometheus()
    endpoints = { metrics: { url: prometheus.url } }
  })
  afterEach(() => prometheus.close())

  async function released(probes: Partial<Policy['probes']>): Promise<TestRelease> {
    const policy: Digest = await crossingPolicy(ground, `probing-${++policies}`, { probes })
    const release = await plannedRelease(ground, policy)
    for (const [step, from] of [[0], [1, 0]] as const) await release.advance(step, from)
    return release
  }
  const ticks = async ({ id }: TestRelease) => (await ground.store.releases.lastTick(id))?.tick ?? 0

  test('take it back when an absolute limit with that role is passed, and the decision keeps the reading', async () => {
    prometheus.says(vector(0.3))
    const release = await released([{ ...probe, role: 'rollback' }] as never)
    const outcome = await release.watch({ endpoints })
    expect(outcome).toEqual({ kind: 'withdrawn', by: 'guardrail', reason: '0.3: the limit is at most 0.1' })
    expect(await release.exposed()).toEqual([])
    expect(prometheus.asked[0]).toMatchObject({
      path: '/api/v1/query',
      query: `x{task="${release.lane.task}",arm="${release.candidate}"}`,
    })
    const decided = (await ground.store.releases.decisions(release.id, { limit: 100 })).find(
      ({ kind }) => kind === 'rollback',
    )
    expect(decided?.evidence).toMatchObject({ judged: { input: { readings: [{ value: 0.3 }] } } })
  })

  test('delay no tick where the provider is slow, and are asked one question at a time', async () => {
    prometheus.says(() => undefined)
    const release = await released([{ ...probe, role: 'rollback' }] as never)
    const before = await ticks(release)
    const watching = release.watch({ endpoints })
    await until('it ticks while the question is open', async () => (await ticks(release)) >= before + 5)
    expect(prometheus.asked.length).toBeLessThan(5)
    prometheus.says(vector(0.2))
    expect(await watching).toMatchObject({ kind: 'withdrawn' })
    expect(prometheus.mostAtOnce).toBe(1)
  })

  test('pause it where the provider is down and the policy says so, naming the reason', async () => {
    prometheus.says(body('<html>', 503))
    const release = await released([{ ...probe, noEvidence: 'pause' }] as never)
    const asked: string[] = []
    const watching = release.watch({ endpoints, askPause: async (_, reason) => void asked.push(reason) })
    await until('it asks for a pause', async () => asked.length > 0)
    expect(asked[0]).toContain('prometheus at metrics: it answered with status 503')
    await release.withdraw()
    await watching
    const pause = (await ground.store.releases.decisions(release.id, { limit: 100 })).find(
      ({ kind }) => kind === 'pause',
    )
    expect(pause?.evidence).toMatchObject({ causes: [expect.stringContaining('probe:errors:provider_down')] })
  })

  test('pause it each time that a limit is broken anew, and once each time', async () => {
    prometheus.says(vector(0.3))
    const release = await released([{ ...probe, maxAgeMs: 60_000, role: 'pause' }] as never)
    const asked: string[] = []
    const watching = release.watch({ endpoints, askPause: async (_, reason) => void asked.push(reason) })
    const value = async () => (await ground.store.readings.of(release.id, ['errors']))[0]?.value
    const looked = async () => {
      const before = await ticks(release)
      await until('it looked again', async () => (await ticks(release)) >= before + 3)
    }
    await until('it asks for a pause', async () => asked.length > 0)
    prometheus.says(vector(0.05))
    await until('it is within the limit', async () => (await value()) === 0.05)
    await looked()
    expect(asked).toHaveLength(1)
    prometheus.says(vector(0.4))
    await until('it asks again', async () => asked.length > 1)
    await looked()
    expect(asked.map((text) => text.split(':')[0])).toEqual(['0.3', '0.4'])
    await release.withdraw()
    await watching
    expect(await ground.store.releases.decisions(release.id, { kinds: ['pause'] })).toHaveLength(2)
  })

  test('are no answer where the endpoint is not configured', async () => {
    const release = await released([{ ...probe, noEvidence: 'rollback' }] as never)
    const outcome = await release.watch({ endpoints: {} })
    expect(outcome).toMatchObject({ kind: 'withdrawn', reason: expect.stringContaining('No endpoint metrics') })
  })

  test('are kept one by one, and end at once with a question in flight', async () => {
    prometheus.says(vector(0.05))
    const release = await released([probe] as never)
    const file = await openRelease(ground.store, release.id)
    const failed = (_: string, error: unknown) => {
      throw error
    }
    const stop = startProbing({ store: ground.store, endpoints, failed }, file)
    await until(
      'it has an answer',
      async () => (await ground.store.readings.of(release.id, ['errors']))[0]?.value === 0.05,
    )
    prometheus.says(vector('NaN'))
    await until(
      'it has a fault',
      async () => (await ground.store.readings.of(release.id, ['errors']))[0]?.fault !== undefined,
    )
    const [reading] = await ground.store.readings.of(release.id, ['errors', 'other'])
    expect(reading).toEqual({
      value: 0.05,
      ageMs: expect.any(Number),
      fault: { reason: 'answer_unusable', text: 'its value is NaN' },
      askedForMs: expect.any(Number),
      newestMs: expect.any(Number),
    })
    prometheus.says(() => undefined)
    const open = prometheus.asked.length
    await until('a question is open', async () => prometheus.asked.length > open)
    await stop()
    const kept = (await ground.store.readings.history(release.id, 'errors')).map(({ answer }) => answer)
    expect(kept.slice(0, 1)).toEqual([{ value: 0.05 }])
    expect(kept).toContainEqual({ fault: 'answer_unusable', text: 'its value is NaN' })
    expect(kept.filter((answer) => 'fault' in answer && answer.fault === 'provider_down')).toEqual([])
  })

  describe('before the start', () => {
    async function request(query: string): Promise<ReleaseRequest> {
      await crossingPolicy(ground, `before-${++policies}`, { probes: [{ ...probe, query }] })
      const lane = await ground.lane()
      const [incumbent] = (await ground.tested(2)) as [Digest, Digest]
      await lane.settle(incumbent)
      return {
        task: lane.task,
        change: { prompt: 'mood-1@1.0.0' },
        why: 'for a test',
        policy: `before-${policies}@1.0.0`,
      }
    }

    test('refuse a plan while what serves is beyond the limit', async () => {
      prometheus.says(vector(0.4))
      const asked = await request('x{task="{{task}}"}')
      const refused = await refusal(ground.store.planner.plan(asked, endpoints))
      expect(refused.code).toBe('alarm_firing')
      expect(refused.details.alarms).toEqual([
        expect.stringMatching(/^probe:errors in .*: 0.4: the limit is at most 0.1$/),
      ])
      const broken = await ground.store.planner.plan({ ...asked, breakGlass: 'this mends it' }, endpoints)
      expect(broken.warnings.join()).toContain('glass broken (this mends it): probe:errors')
    })

    test('are a warning where the provider cannot be asked, and nothing where the query is of the release', async () => {
      prometheus.says(body('', 500))
      const plan = await ground.store.planner.plan(await request('x{task="{{task}}"}'), endpoints)
      expect(plan.warnings.join()).toContain('is not known: it answered with status 500')
      const open = prometheus.asked.length
      const other = await ground.store.planner.plan(await request('x{r="{{release}}"}'), endpoints)
      expect(other.warnings.join()).not.toContain('probe')
      expect(prometheus.asked).toHaveLength(open)
    })
  })
})
