import { createSecretKey, randomBytes, randomUUID } from 'node:crypto'
import type { Digest } from '../../src/domain/version'
import { unitHash } from '../../src/sdk/recorder'
import { Captures } from '../../src/store/captures'
import { Vault } from '../../src/store/vault'
import { type LaneGround, laneGround, production } from '../support/lane-ground'
import { crossingPolicy, plannedRelease, type TestRelease } from '../support/planned-release'
import { emptyBatch, unitReport } from '../support/traffic'
import { until } from '../support/until'

const outputs = [{ field: 'mood', classes: ['good', 'bad'], role: 'pause' }]
const shown = { candidate: 1, incumbent: 0 } as const
const perArm = 80

describe('a release whose outputs differ', () => {
  let ground: LaneGround
  let policy: Digest
  let captures: Captures
  beforeAll(async () => {
    ground = await laneGround()
    policy = await crossingPolicy(ground, 'differing', { outputs })
    captures = new Captures(ground.store.database, new Vault([createSecretKey(randomBytes(32))]))
  })
  afterAll(() => ground.end())

  /** Conversations of both arms, of which the candidate's all show another class; answers the newest ids by arm. */
  async function serve(release: TestRelease) {
    const { headSeq: seq, incumbent } = await release.lane.state()
    const served = { candidate: [] as string[], incumbent: [] as string[] }
    const conversationOf = new Map<string, string>()
    for (const arm of ['candidate', 'incumbent'] as const) {
      const composite = arm === 'candidate' ? release.candidate : (incumbent as Digest)
      const stratum = { task: release.lane.task, seq, slice: 0, arm, composite }
      const names = Array.from({ length: perArm }, (_, index) => `${arm}-${index}`)
      const units = names.map((name) => unitReport({ unit: unitHash('acme', name), outputs: [{ class: shown[arm] }] }))
      const requests = names.map((conversation, index) => ({
        ...{ ...stratum, requestId: randomUUID(), tenant: 'acme', conversation, reason: 'exposed', binding: '' },
        ...{
          at: 1_000 + index,
          outcome: 'ok' as const,
          latencyMs: 1,
          inputTokens: 1,
          cachedTokens: 0,
          outputTokens: 1,
        },
        ...{ costUsd: 0, uncachedCostUsd: 0, cacheAgeMs: 0, headSeq: seq, tenantSeq: 0, stale: false },
      }))
      const batch = { ...emptyBatch('reporter-1'), environment: production, strata: [{ ...stratum, units }], requests }
      expect((await ground.store.telemetry.ingest(batch, 'app')).refused).toEqual([])
      served[arm] = requests.map(({ requestId }) => requestId).reverse()
      for (const { requestId, conversation } of requests) conversationOf.set(requestId, conversation)
    }
    return { served, conversationOf }
  }

  async function exposed(): Promise<TestRelease> {
    const release = await plannedRelease(ground, policy)
    for (const [step, from] of [[0], [1, 0]] as const) await release.advance(step, from)
    return release
  }

  /** What the watch asks for, and what it wrote down; it ends when the release is withdrawn. */
  async function watched(release: TestRelease) {
    const asked: string[] = []
    const watching = release.watch({ askPause: async (_, reason) => void asked.push(reason) })
    await until('it asks for a pause', async () => asked.length > 0)
    await release.withdraw()
    await watching
    const decisions = await ground.store.releases.decisions(release.id, { limit: 100 })
    return { reason: asked[0], decision: decisions.find(({ kind }) => kind === 'pause') }
  }

  test('pauses with requests of both arms to hold side by side, and is not taken back', async () => {
    const release = await exposed()
    const { served } = await serve(release)
    const { reason, decision } = await watched(release)
    const [own, other] = [served.candidate[0], served.incumbent[0]]
    expect(reason).toContain('bad 100.0 % against 0.0 %')
    expect(reason).toContain(
      `hold side by side ${own} of the candidate and ${other} of the incumbent (nothing is captured: sluice explain)`,
    )
    expect(decision?.reason).toBe(reason)
    const pairs = [0, 1, 2].map((index) => ({
      candidate: { requestId: served.candidate[index], captured: false },
      incumbent: { requestId: served.incumbent[index], captured: false },
    }))
    expect(decision?.evidence).toMatchObject({ examples: pairs })
  })

  test('names those first whose outputs were captured', async () => {
    const release = await exposed()
    const { served, conversationOf } = await serve(release)
    const { task } = release.lane
    const ann = { by: 'ann', reason: 'for a test' }
    await captures.setPolicy({ environment: production, task, basisPoints: 10_000, retentionMs: 60_000, ...ann })
    const kept = [served.candidate[5], served.incumbent[7]].map((id) => id ?? '')
    const contents = kept.map((requestId) => {
      return {
        requestId,
        task,
        tenant: 'acme',
        conversation: conversationOf.get(requestId) ?? '',
        output: { mood: 'bad' },
      }
    })
    await captures.take({ reporter: 'reporter-1', environment: production, contents, dropped: 0 })
    const { reason, decision } = await watched(release)
    expect(reason).toContain(`${kept[0]} of the candidate and ${kept[1]} of the incumbent (sluice capture show)`)
    expect(decision?.evidence).toMatchObject({
      examples: [{ candidate: { captured: true }, incumbent: { captured: true } }, {}, {}],
    })
  })
})
