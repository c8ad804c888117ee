import { randomUUID } from 'node:crypto'
import type { Digest } from '../../../src/domain/version'
import { runEvaluation } from '../../../src/store/evaluation-run'
import { createDeployGate } from '../../../src/store/gate'
import { type EvaluationGround, evaluationGround } from '../../support/evaluation-ground'

const heard = { basis: 'evaluation', by: 'sluice', reason: 'a test', judge: true } as const

describe('a judge whose provider changes', () => {
  let ground: EvaluationGround
  let suite: Digest
  let policy: Digest
  let judge: Digest
  beforeAll(async () => {
    ground = await evaluationGround({ cases: 12 })
    policy = await ground.policyWith('lenient', { schemaComplianceMin: 0, regressionMargin: 1 })
    suite = (await ground.store.catalog.version('suite/airline-judged@1.0.0')).digest
    judge = (await ground.store.catalog.version('engine/simulated@1.0.0')).digest
  })
  afterAll(() => ground.end())

  const keyOf = async (prompt: string) => ({ candidate: await ground.composite(prompt), suite, policy })
  const evaluate = async (prompt: string) =>
    runEvaluation(ground.deps, { ...(await keyOf(prompt)), evaluationId: randomUUID(), by: 'ann' })
  const passing = async (prompt: string) => ground.store.evidence.passing(await keyOf(prompt))
  const standing = async (prompt: string) =>
    (await ground.store.evidence.standing([(await keyOf(prompt)).candidate])).providerChanges

  it('voids every verdict that it took part in, until it has judged the same outputs again', async () => {
    const first = await evaluate('1.1.0')
    await evaluate('1.2.0')
    expect(first.report.judges).toMatchObject([{ engine: judge, engines: [{ fingerprint: 'fp_small_1' }] }])
    expect([await passing('1.1.0'), await passing('1.2.0')]).toEqual([true, true])
    const { providers } = ground.store
    expect(await providers.measured(judge, [{ model: 'sim-small-1', fingerprint: 'fp_new' }], heard)).toBe(true)
    expect([await passing('1.1.0'), await passing('1.2.0')]).toEqual([false, false])
    expect(await standing('1.1.0')).toMatchObject([{ composite: judge, judge: true }])

    const again = await evaluate('1.1.0')
    expect([again.verdict, again.report.paid.calls]).toEqual(['pass', 0])
    expect(again.report.paid.judges?.answers).toBe(first.report.paid.judges?.answers)
    expect([await passing('1.1.0'), await passing('1.2.0')]).toEqual([true, false])
    expect(await standing('1.1.0')).toEqual([])
  })

  it('is named by the gate that refuses the candidate', async () => {
    const { catalog, evidence, providers } = ground.store
    const gate = createDeployGate(
      { ...catalog, task: async () => ({ suiteDigest: suite }) as never },
      evidence,
      providers,
      async () => undefined,
    )
    const { candidate } = await keyOf('1.2.0')
    const refused = ground.store.database.transact((session) =>
      gate.assertDeployable({ task: 'csat', candidate, policy }, session),
    )
    await expect(refused).rejects.toMatchObject({
      code: 'undeployable',
      message: expect.stringContaining(`the judge ${judge}`),
    })
  })

  it('passes nothing in the evaluation that hears of it; the next one asks it about everything again', async () => {
    const judgements = ground.store.database.collection<{ _id: string }>('judgements')
    const answered = await judgements.find({ _id: /^1\// }).toArray()
    await judgements.deleteMany({ _id: { $in: answered.slice(0, 4).map(({ _id }) => _id) } })
    ground.engine.setFaults([{ kind: 'drift', share: 1 }])
    const mixed = await evaluate('1.1.0')
    expect([mixed.verdict, mixed.report.paid.judges?.answers]).toEqual(['no_evidence', 4])
    expect(mixed.reasons[0]).toContain(`the judge ${judge} changed while it was measured`)
    expect(await passing('1.1.0')).toBe(false)
    const renewed = await evaluate('1.1.0')
    expect([renewed.verdict, renewed.report.paid.judges?.answers]).toEqual(['pass', answered.length])
    expect(await passing('1.1.0')).toBe(true)
  })
})
