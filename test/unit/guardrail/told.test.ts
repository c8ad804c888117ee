import { assess } from '../../../src/domain/analysis'
import { effects } from '../../../src/domain/effect'
import type { GuardrailPolicy } from '../../../src/domain/policy'
import { type CustomMetric, failsBy, type QualityStats, qualityStatsOf } from '../../../src/domain/quality'
import type { StratumStats } from '../../../src/domain/telemetry'
import { policyKind } from '../../../src/kinds/policy'
import { arm, inputOf, policyWith, stratum } from '../../support/assessment'

const below: CustomMetric = { failsBelow: 3 }
const guarding = (custom: CustomMetric, change: Partial<GuardrailPolicy> = {}) =>
  policyWith({ guardrail: { metric: 'human_csat', custom, margin: 0.1, ...change } })

const counts = (n: number, failed: number): QualityStats => ({ n, failed, sum: 4 * n, sumSquares: 17 * n })
/** Values of this mean with a deviation of one. */
const values = (n: number, mean: number): QualityStats => ({
  n,
  failed: 0,
  sum: n * mean,
  sumSquares: n * (mean * mean + 1),
})

function told(candidate: QualityStats | undefined, incumbent: QualityStats | undefined, share = 0.5): StratumStats {
  const of = (quality: QualityStats | undefined, units: number) => ({
    ...arm({ units }),
    ...(quality === undefined ? {} : { quality: { human_csat: quality } }),
  })
  const whole = 2_000
  return {
    ...stratum({ share }),
    candidate: of(candidate, whole * share),
    incumbent: of(incumbent, whole * (1 - share)),
  }
}
const late = { bakeComplete: true }

describe('a told metric that fails below a mark', () => {
  it('takes the release back by the same test as errors', () => {
    const { action, verdicts } = assess(inputOf([told(counts(200, 80), counts(200, 20))], { policy: guarding(below) }))
    expect(action).toBe('rollback')
    expect(verdicts[0]).toMatchObject({
      name: 'human_csat',
      reason: 'worse_than_incumbent',
      candidate: 0.4,
      incumbent: 0.1,
      text: 'human_csat below 3 40.0 % against 10.0 % (conversations 200 / 200): worse than the margin of 10 %',
    })
  })

  it('passes where both arms fail alike', () => {
    const { mayAdvance, verdicts } = assess(
      inputOf([told(counts(200, 20), counts(200, 20))], { policy: guarding(below), step: late }),
    )
    expect({ mayAdvance, reason: verdicts[0]?.reason }).toEqual({ mayAdvance: true, reason: 'sample_complete' })
  })

  it.each([
    ['of neither arm', undefined, undefined],
    ['of the candidate alone', counts(50, 2), undefined],
    ['of the incumbent alone', undefined, counts(50, 2)],
  ])('holds the step where a value is told %s', (_, candidate, incumbent) => {
    const assessment = assess(inputOf([told(candidate, incumbent)], { policy: guarding(below), step: late }))
    expect(assessment).toMatchObject({ mayAdvance: false, waitingFor: ['no_outcomes'], action: 'continue' })
    expect(assessment.verdicts[0]).toMatchObject({ verdict: 'no_evidence', reason: 'no_outcomes' })
    const notified = guarding(below, { role: 'notify' })
    expect(assess(inputOf([told(candidate, incumbent)], { policy: notified, step: late })).mayAdvance).toBe(true)
    const paused = guarding(below, { noEvidence: 'pause' })
    expect(assess(inputOf([told(candidate, incumbent)], { policy: paused, step: late })).action).toBe('pause')
  })

  it('has a band of its effect', () => {
    const input = inputOf([told(counts(400, 160), counts(400, 40))], { policy: guarding(below) })
    const [effect] = effects(input)
    expect(effect?.metric).toBe('human_csat')
    expect(effect?.lower).toBeGreaterThan(1.5)
    expect(effect?.upper).toBeLessThan(12)
  })
})

describe('the mean of a told metric', () => {
  const higher: CustomMetric = { mean: 'higher_is_worse' }
  const lower: CustomMetric = { mean: 'lower_is_worse' }

  it.each([
    [higher, 6, 4, 'rollback'],
    [higher, 4, 6, 'continue'],
    [lower, 4, 6, 'rollback'],
    [lower, 6, 4, 'continue'],
    [lower, -3, -2, 'rollback'],
    [higher, -2, -3, 'rollback'],
  ] as const)('by %j, %d against %d: %s', (custom, own, other, action) => {
    const policy = guarding(custom, { margin: 0 })
    expect(assess(inputOf([told(values(400, own), values(400, other))], { policy })).action).toBe(action)
  })

  it('tolerates what its margin says, on the side that is worse', () => {
    const row = told(values(400, 3.8), values(400, 4))
    expect(assess(inputOf([row], { policy: guarding(lower, { margin: 0.1 }) })).action).toBe('continue')
    expect(assess(inputOf([row], { policy: guarding(lower, { margin: 0 }) })).action).toBe('rollback')
  })

  it.each([lower, higher])('tolerates as much of a negative mean: %j', (custom) => {
    const policy = guarding(custom, { margin: 0.1 })
    const worse = custom === lower ? -1 : 1
    const actionAt = (own: number) => assess(inputOf([told(values(5_000, own), values(5_000, -20))], { policy })).action
    expect([0, 1, 1.9].map((by) => actionAt(-20 + worse * by))).toEqual(['continue', 'continue', 'continue'])
    expect([actionAt(-20 + worse * 3), actionAt(-20 - worse * 3)]).toEqual(['rollback', 'continue'])
  })

  it('pauses at most where nearly everyone has the candidate', () => {
    const row = told(values(1_900, 8), values(100, 4), 0.95)
    const { action, verdicts } = assess(inputOf([row], { policy: guarding(higher, { margin: 0 }) }))
    expect({ action, reason: verdicts[0]?.reason }).toEqual({ action: 'pause', reason: 'share_too_high' })
  })

  it('says nothing below the burn-in', () => {
    const policy = guarding(higher, { margin: 0 })
    expect(assess(inputOf([told(values(40, 100), values(40, 1))], { policy })).action).toBe('continue')
  })
})

describe('a told value', () => {
  it('fails beyond its mark and not at it', () => {
    expect([2.9, 3, 3.1].map((value) => failsBy({ failsBelow: 3 }, value))).toEqual([true, false, false])
    expect([2.9, 3, 3.1].map((value) => failsBy({ failsAbove: 3 }, value))).toEqual([false, false, true])
    expect(failsBy({ mean: 'lower_is_worse' }, -9)).toBe(false)
  })

  it('is read back from totals, whatever its metric is called', () => {
    const totals = {
      units: 3,
      quality_constructor_n: 2,
      quality_a_b_n: 1,
      quality_a_b_sumSquares: 4,
      quality_a_b_sum: 2,
    }
    expect(qualityStatsOf(totals).quality).toEqual({
      constructor: { n: 2, failed: 0, sum: 0, sumSquares: 0 },
      a_b: { n: 1, failed: 0, sum: 2, sumSquares: 4 },
    })
    expect(qualityStatsOf({ units: 3 })).toEqual({})
  })
})

describe('the schema of a policy', () => {
  const row = { metric: 'human_csat', margin: 0, custom: below }
  const judge = { metric: 'human_csat', engine: 'engine/e@1.0.0', prompt: 'prompt/p@1.0.0', sampleBasisPoints: 500 }
  const parse = (policy: object) => policyKind.schema.safeParse(policy)

  it.each([
    [{ guardrails: [{ metric: 'human_csat', margin: 0 }] }, 'is no metric'],
    [{ guardrails: [{ ...row, metric: 'error_rate' }] }, 'built-in'],
    [{ guardrails: [{ ...row, metric: 'Human-CSAT' }] }, 'no name of a told metric'],
    [{ guardrails: [row, row] }, 'twice'],
    [{ guardrails: [{ ...row, custom: { failsBelow: 1, failsAbove: 2 } }] }, 'custom'],
    [{ guardrails: [{ ...row, custom: {} }] }, 'custom'],
    [{ guardrails: Array.from({ length: 9 }, (_, index) => ({ ...row, metric: `m${index}` })) }, 'more than 8'],
    [{ by: 'tenant', guardrails: [row] }, 'expose by conversation'],
    [{ judges: [judge] }, 'which no guardrail with `custom` tests'],
    [{ judges: [judge, judge], guardrails: [row] }, 'judges a metric twice'],
    [{ judges: [{ ...judge, engine: 'engine/judge' }], guardrails: [row] }, 'engine'],
  ])('refuses %j', (policy, why) => {
    const { success, error } = parse(policy)
    expect(success).toBe(false)
    expect(JSON.stringify(error?.issues)).toContain(why)
  })

  it('takes them beside the built-in ones', () => {
    expect(
      parse({
        guardrails: [
          row,
          { ...row, metric: 'refund_usd', custom: { mean: 'higher_is_worse' } },
          { metric: 'error_rate', margin: 0.25 },
        ],
      }).success,
    ).toBe(true)
  })
})
