import { assess } from '../../../src/domain/analysis'
import type { GuardrailVerdict } from '../../../src/domain/guardrail'
import { randomFrom } from '../../../tools/random'
import { inputOf, policyWith, stratum } from '../../support/assessment'

const policy = policyWith({ guardrail: { metric: 'cost_per_conversation' } })

/** Lognormal costs of so many conversations. */
function costs(seed: number, count: number, median: number, spread = 0.5): number[] {
  const random = randomFrom(seed)
  return Array.from({ length: count }, () => median * Math.exp(spread * random.normal()))
}

const costVerdict = (verdicts: readonly GuardrailVerdict[]): GuardrailVerdict => {
  const verdict = verdicts.find(({ name }) => name === 'cost_per_conversation')
  if (verdict === undefined) throw new Error('no verdict on cost')
  return verdict
}

describe('the cost guardrail', () => {
  it('finds half as much again, in dollars that can be read', () => {
    const strata = [
      stratum({
        candidate: { units: 400, costs: costs(1, 400, 0.018) },
        incumbent: { units: 400, costs: costs(2, 400, 0.012) },
      }),
    ]
    const assessment = assess(inputOf(strata, { policy }))
    expect(assessment.action).toBe('rollback')
    expect(costVerdict(assessment.verdicts).text).toMatch(
      /^mean cost per conversation \$0\.0\d{3} against \$0\.0\d{3} \(conversations 400 \/ 400\): worse than the margin of 25 %$/,
    )
  })

  it('says nothing before fifty closed conversations in the smaller arm', () => {
    const strata = [
      stratum({
        share: 0.1,
        candidate: { units: 49, costs: costs(1, 49, 1) },
        incumbent: { units: 441, costs: costs(2, 441, 0.01) },
      }),
    ]
    expect(assess(inputOf(strata, { policy })).action).toBe('continue')
  })

  it('is not alarmed by equal costs without any spread, at a margin of zero', () => {
    const strata = [
      stratum({
        candidate: { units: 300, costs: Array.from({ length: 300 }, () => 0.1) },
        incumbent: { units: 300, costs: Array.from({ length: 300 }, () => 0.1) },
      }),
    ]
    const strict = policyWith({ guardrail: { metric: 'cost_per_conversation', margin: 0 } })
    expect(assess(inputOf(strata, { policy: strict })).action).toBe('continue')
  })

  it('passes early only when mean and logarithm are both within the margin', () => {
    const strata = [
      stratum({
        candidate: { units: 2000, costs: costs(1, 2000, 0.01) },
        incumbent: { units: 2000, costs: costs(2, 2000, 0.01) },
      }),
    ]
    expect(costVerdict(assess(inputOf(strata, { policy })).verdicts).reason).toBe('non_inferior')
  })

  it('may only pause on the raw mean where most evidence comes from shares over one half', () => {
    const tail = Array.from({ length: 950 }, (_, at) => (at % 19 < 6 ? 0.001 : 0.03) + at * 1e-7)
    const control = Array.from({ length: 50 }, (_, at) => 0.009 + at * 1e-5)
    const row = stratum({
      share: 0.95,
      candidate: { units: 950, costs: tail },
      incumbent: { units: 50, costs: control },
    })
    const over = assess(inputOf([row], { policy }))
    expect(costVerdict(over.verdicts)).toMatchObject({ verdict: 'fail', reason: 'share_too_high', role: 'pause' })
    expect(over).toMatchObject({ action: 'pause', mayAdvance: false })
  })

  it('keeps the rollback for the logarithm, whatever the share', () => {
    const strata = [
      stratum({
        share: 0.95,
        candidate: { units: 1900, costs: costs(1, 1900, 0.03) },
        incumbent: { units: 100, costs: costs(2, 100, 0.01) },
      }),
    ]
    const assessment = assess(inputOf(strata, { policy }))
    expect(costVerdict(assessment.verdicts)).toMatchObject({ reason: 'worse_than_incumbent', role: 'rollback' })
    expect(assessment.action).toBe('rollback')
  })
})
