import type { RescoreCost } from '../../../src/domain/rescore'
import type { Digest } from '../../../src/domain/version'
import { runEvaluation } from '../../../src/store/evaluation-run'
import { rescoreCosts } from '../../../src/store/rescore-plan'
import { type EvaluationGround, evaluationGround } from '../../support/evaluation-ground'

const cases = 20

describe('what a rescore on a suite with a judge is said to cost', () => {
  let ground: EvaluationGround
  let candidate: Digest
  let judged: Digest
  beforeAll(async () => {
    ground = await evaluationGround({ cases })
    candidate = await ground.composite('1.0.0')
    judged = (await ground.store.catalog.version('suite/airline-judged@1.0.0')).digest
  })
  afterAll(() => ground.end())

  async function cost(): Promise<RescoreCost> {
    const items = [{ composite: candidate, reason: 'serving' as const, places: [] }]
    const [found] = await rescoreCosts(ground.store, {
      task: 'csat-scoring',
      suite: judged,
      policy: ground.policy,
      items,
    })
    if (!found) throw new Error('no cost')
    return found
  }
  const run = (evaluationId: string, suite: Digest) =>
    runEvaluation(ground.deps, { evaluationId, by: 'ann', candidate, suite, policy: ground.policy })

  it('is no less than what it then costs, and counts judges about outputs that are there and that are not', async () => {
    const before = await cost()
    expect(before).toMatchObject({ freeCalls: 0, paidCalls: cases, judgeCalls: cases })
    expect(ground.engine.requests()).toBe(0)

    const plain = await run('plain', ground.suite)
    const between = await cost()
    expect(between).toMatchObject({ freeCalls: cases, paidCalls: 0 })
    const verdict = await run('judged', judged)
    const { paid } = verdict.report
    expect(paid).toMatchObject({ calls: 0, judges: { calls: between.judgeCalls } })
    expect(between.judgeCalls).toBeGreaterThan(0)
    expect(between.worstUsd).toBeGreaterThan(paid.judges?.costUsd ?? 0)
    expect(before.worstUsd).toBeGreaterThan(plain.report.paid.costUsd + (paid.judges?.costUsd ?? 0))
    expect(await cost()).toEqual({ freeCalls: cases, paidCalls: 0, judgeCalls: 0, worstUsd: 0 })
  })
})
