import { randomUUID } from 'node:crypto'
import type { Digest } from '../../../src/domain/version'
import { runEvaluation } from '../../../src/store/evaluation-run'
import { type EvaluationGround, evaluationGround } from '../../support/evaluation-ground'
import { type LaneGround, laneGround, refusal } from '../../support/lane-ground'

const of = { basis: 'evaluation', by: 'sluice', reason: 'a test' } as const
const pair = (fingerprint: string) => [{ model: 'large', fingerprint }]

describe('the gate inside append', () => {
  let ground: LaneGround
  let versions: readonly Digest[]
  beforeAll(async () => {
    ground = await laneGround()
    versions = await ground.tested(3)
  })
  afterAll(() => ground.end())

  const change = async (composite: Digest): Promise<void> => {
    await ground.store.providers.measured(composite, pair('fp_1'), of)
    expect(await ground.store.providers.measured(composite, pair(randomUUID()), of)).toBe(true)
  }

  it('refuses a candidate whose provider changed since it was tested, until it is tested again', async () => {
    const [v0, v1] = versions as [Digest, Digest]
    const lane = await ground.lane()
    await lane.settle(v0)
    await change(v1)
    const { code, details } = await refusal(lane.step(v1))
    expect([code, details.providerChange]).toEqual(['undeployable', expect.stringMatching(/^sha256:/)])
    await ground.judge(v1, v0)
    expect((await lane.step(v1)).created).toBe(true)
  })

  it('refuses it too where the incumbent is what changed: they were compared before', async () => {
    const fresh = await ground.composite(40)
    const base = await ground.composite(41)
    await ground.judge(base, undefined)
    await ground.judge(fresh, base)
    const lane = await ground.lane()
    await lane.settle(base)
    await change(base)
    expect((await refusal(lane.step(fresh))).code).toBe('undeployable')
  })

  it('lets every rollback through, to whatever settled before', async () => {
    const [first, second] = [await ground.composite(50), await ground.composite(51)]
    await ground.judge(first, undefined)
    await ground.judge(second, first)
    const lane = await ground.lane()
    await lane.settle(first)
    await lane.settle(second)
    for (const composite of [first, second]) await change(composite)
    expect((await lane.rollback())?.entry.incumbent).toBe(first)
    expect(await lane.verify()).toBe(3)
  })

  it('takes a verdict for void whose results were read before the change, though it is recorded after', async () => {
    const fresh = await ground.composite(60)
    const task = (await ground.lane()).task
    const { suiteDigest: suite } = await ground.store.catalog.task(task)
    const key = { candidate: fresh, suite, policy: ground.policy }
    const epochs = await ground.store.evidence.epochs(key)
    await change(fresh)
    const verdict = { verdict: 'pass' as const, reasons: [], shifting: false, report: {} as never }
    await ground.store.evidence.record({ ...key, ...verdict, evaluationId: randomUUID(), epochs })
    expect(await ground.store.evidence.passing(key)).toBe(false)
    await ground.store.evidence.record({ ...key, ...verdict, evaluationId: randomUUID() })
    expect(await ground.store.evidence.passing(key)).toBe(true)
  })
})

describe('an evaluation', () => {
  let ground: EvaluationGround
  beforeAll(async () => {
    ground = await evaluationGround({ cases: 12 })
  })
  afterAll(() => ground.end())

  it('that hears of the change passes nothing; the next one pays for every call again and may pass', async () => {
    const policy = await ground.policyWith('lenient', { schemaComplianceMin: 0, regressionMargin: 1 })
    const candidate = await ground.composite('1.1.0')
    const key = { candidate, suite: ground.suite, policy }
    const evaluate = () => runEvaluation(ground.deps, { ...key, evaluationId: randomUUID(), by: 'ann' })
    const first = await evaluate()
    expect([first.verdict, first.report.paid.calls]).toEqual(['pass', 12])
    expect((await evaluate()).report.paid.calls).toBe(0)

    ground.engine.setFaults([{ kind: 'drift', share: 1 }])
    const reproduced = { basis: 'reproduction', by: 'ann', reason: 'heard of it' } as const
    const drifted = first.report.candidate.engines.map((one) => ({ ...one, fingerprint: `${one.fingerprint}_drifted` }))
    expect(await ground.store.providers.measured(candidate, drifted, reproduced)).toBe(true)
    expect(await ground.store.evidence.passing(key)).toBe(false)
    const again = await evaluate()
    expect([again.verdict, again.report.paid.calls]).toEqual(['pass', 12])
    expect(await ground.store.evidence.passing(key)).toBe(true)
    expect(again.report.candidate.engines).toEqual([expect.objectContaining({ fingerprint: drifted[0]?.fingerprint })])
  })

  it('that is answered by two of them for the first time says so and passes nothing', async () => {
    const policy = await ground.policyWith('mixed', { schemaComplianceMin: 0, regressionMargin: 1 })
    const candidate = await ground.composite('1.2.0')
    const key = { candidate, suite: ground.suite, policy }
    const evaluate = () => runEvaluation(ground.deps, { ...key, evaluationId: randomUUID(), by: 'ann' })
    ground.engine.setFaults([])
    await evaluate()
    const results = ground.store.database.collection<{ _id: string }>('eval_results')
    const half = await results.find({ composite: candidate }).limit(6).toArray()
    await results.deleteMany({ _id: { $in: half.map(({ _id }) => _id) } })
    ground.engine.setFaults([{ kind: 'drift', share: 1 }])
    const mixed = await evaluate()
    expect([mixed.verdict, mixed.reasons[0]]).toEqual([
      'no_evidence',
      expect.stringContaining('changed while it was measured'),
    ])
    expect(await ground.store.evidence.passing(key)).toBe(false)
    const renewed = await evaluate()
    expect([renewed.verdict, renewed.report.paid.calls]).toEqual(['pass', 12])
  })
})
