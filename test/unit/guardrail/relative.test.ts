import { assess } from '../../../src/domain/analysis'
import { effects } from '../../../src/domain/effect'
import type { GuardrailVerdict } from '../../../src/domain/guardrail'
import { inputOf, policyWith, stratum } from '../../support/assessment'

const fair = (units: number, errors: number, others = errors) =>
  stratum({ candidate: { units, events: { error: errors } }, incumbent: { units, events: { error: others } } })

const verdictOf = (verdicts: readonly GuardrailVerdict[], name = 'error_rate'): GuardrailVerdict => {
  const verdict = verdicts.find((row) => row.name === name)
  if (verdict === undefined) throw new Error(`no verdict on ${name}`)
  return verdict
}

const complete = { bakeComplete: true }

describe('a relative guardrail', () => {
  it('has no evidence without traffic, and waits', () => {
    const assessment = assess(inputOf([]))
    expect(verdictOf(assessment.verdicts)).toMatchObject({ verdict: 'no_evidence', reason: 'no_traffic' })
    expect(assessment).toMatchObject({ action: 'continue', mayAdvance: false, waitingFor: ['no_traffic'] })
  })

  it('has no evidence before any step is exposed', () => {
    const { step: _, ...before } = inputOf([])
    expect(assess(before)).toMatchObject({ action: 'continue', mayAdvance: false, waitingFor: ['no_traffic'] })
  })

  it('does not convict on three requests that all failed', () => {
    const assessment = assess(inputOf([fair(3, 3, 0)]))
    expect(verdictOf(assessment.verdicts)).toMatchObject({ verdict: 'no_evidence', reason: 'below_minimum_sample' })
    expect(assessment).toMatchObject({ action: 'continue', waitingFor: ['below_minimum_sample'] })
  })

  it('rolls back on all errors without waiting for the minimum sample', () => {
    const assessment = assess(inputOf([fair(20, 20, 0)]))
    expect(assessment).toMatchObject({ action: 'rollback', mayAdvance: false })
    expect(assessment.waitingFor[0]).toBe('worse_than_incumbent')
  })

  it('does not convict where both arms fail alike: an outage', () => {
    const assessment = assess(inputOf([fair(400, 400)], { step: complete }))
    expect(assessment).toMatchObject({ action: 'continue', mayAdvance: true })
  })

  it('reads as a release manager would say it', () => {
    const strata = [
      stratum({
        candidate: { units: 214, events: { error: 30 } },
        incumbent: { units: 210, events: { error: 2 } },
      }),
    ]
    const verdict = verdictOf(assess(inputOf(strata)).verdicts)
    expect(verdict.text).toBe(
      'error rate 14.0 % against 1.0 % (conversations 214 / 210): worse than the margin of 25 %',
    )
    expect(verdict.statistic).toBeGreaterThan(verdict.threshold ?? 0)
    expect(verdict.threshold).toBeCloseTo(20, 10)
  })

  it('splits alpha over the guardrails of the policy', () => {
    const guardrail = policyWith().guardrails[0]
    if (guardrail === undefined) throw new Error('the policy has a guardrail')
    const policy = policyWith({ guardrails: [guardrail, { ...guardrail, metric: 'schema_failure_rate' }] })
    expect(verdictOf(assess(inputOf([fair(60, 2)], { policy })).verdicts).threshold).toBeCloseTo(40, 10)
  })

  it.each([
    ['rollback', 'rollback'],
    ['pause', 'pause'],
    ['notify', 'continue'],
  ] as const)('with the role %s asks for %s when it fails', (role, action) => {
    const policy = policyWith({ guardrail: { role } })
    const assessment = assess(inputOf([fair(100, 40, 2)], { policy, step: complete }))
    expect(verdictOf(assessment.verdicts)).toMatchObject({ verdict: 'fail', role })
    expect(assessment.action).toBe(action)
    expect(assessment.mayAdvance).toBe(role === 'notify')
  })

  it('counts earlier steps as evidence of harm, though not as sample', () => {
    const earlier = { ...fair(200, 60, 4), seq: 1 }
    expect(assess(inputOf([earlier])).action).toBe('rollback')
    const harmless = { ...fair(200, 4), seq: 1 }
    expect(assess(inputOf([harmless], { step: complete })).waitingFor).toEqual(['no_traffic'])
  })

  it('compares by stratum: a ramp with a shared outage is nobody’s fault', () => {
    const calm = stratum({
      seq: 1,
      share: 0.01,
      candidate: { units: 40, events: { error: 0 } },
      incumbent: { units: 3960, events: { error: 40 } },
    })
    const outage = fair(2000, 200)
    const assessment = assess(inputOf([calm, outage], { step: complete }))
    expect(assessment).toMatchObject({ action: 'continue', mayAdvance: true })
    const { candidate = 0, incumbent = 0 } = verdictOf(assessment.verdicts)
    expect(candidate / incumbent).toBeCloseTo(1, 1)
  })

  it('refuses a policy with an unknown metric', () => {
    const policy = policyWith({ guardrail: { metric: 'happiness' } })
    expect(() => assess(inputOf([], { policy }))).toThrow(expect.objectContaining({ code: 'invalid_content' }))
  })
})

describe('an advance', () => {
  it('wants sample and bake', () => {
    expect(assess(inputOf([fair(60, 1)])).waitingFor).toEqual(['baking'])
    expect(assess(inputOf([fair(40, 1)], { step: complete })).waitingFor).toEqual(['below_minimum_sample'])
    const done = assess(inputOf([fair(60, 1)], { step: complete }))
    expect(done).toMatchObject({ mayAdvance: true, waitingFor: [] })
    expect(verdictOf(done.verdicts)).toMatchObject({ verdict: 'pass', reason: 'sample_complete' })
  })

  it('wants the sample in each tested arm', () => {
    const uneven = stratum({ share: 0.1, candidate: { units: 40 }, incumbent: { units: 380 } })
    expect(assess(inputOf([uneven], { step: complete })).waitingFor).toEqual(['below_minimum_sample'])
  })

  it('does not wait for the bake once the candidate is shown to be within the margin', () => {
    const shown = fair(4000, 2000)
    const assessment = assess(inputOf([shown]))
    expect(verdictOf(assessment.verdicts)).toMatchObject({ verdict: 'pass', reason: 'non_inferior' })
    expect(assessment.mayAdvance).toBe(true)
  })

  it('waits for the sample of this step though the margin was shown in an earlier one', () => {
    const strata = [{ ...fair(4000, 2000), seq: 1 }, fair(10, 1)]
    expect(assess(inputOf(strata, { step: complete })).waitingFor).toEqual(['below_minimum_sample'])
  })

  it('with a minimum sample of zero waits for the bake alone, and never less', () => {
    const none = { minimumSample: 0 }
    expect(assess(inputOf([], { step: none })).waitingFor).toEqual(['baking'])
    expect(assess(inputOf([{ ...fair(4000, 2000), seq: 1 }], { step: none })).waitingFor).toEqual(['baking'])
    expect(assess(inputOf([], { step: { ...none, bakeComplete: true } })).mayAdvance).toBe(true)
  })
})

describe('without a control', () => {
  it.each(['no_incumbent', 'no_control'] as const)(
    'relative guardrails and the ratio are not applicable: %s',
    (reason) => {
      const step = { ...complete, units: { candidate: 80, incumbent: 0 } }
      const assessment = assess(inputOf([], { step, hasIncumbent: reason === 'no_control' }))
      expect(verdictOf(assessment.verdicts)).toMatchObject({ verdict: 'not_applicable', reason })
      expect(verdictOf(assessment.verdicts, 'sample_ratio')).toMatchObject({ verdict: 'not_applicable', reason })
      expect(assessment).toMatchObject({ action: 'continue', mayAdvance: true })
    },
  )

  it('never tests a share of one, though it is handed in', () => {
    const everyone = stratum({ share: 1, candidate: { units: 900, events: { error: 900 } }, incumbent: { units: 1 } })
    const assessment = assess(inputOf([everyone], { step: complete }))
    expect(verdictOf(assessment.verdicts)).toMatchObject({ verdict: 'not_applicable', reason: 'no_control' })
    expect(assessment.mayAdvance).toBe(true)
  })

  it('still wants the sample of the candidate', () => {
    const step = { ...complete, units: { candidate: 20, incumbent: 0 } }
    expect(assess(inputOf([], { step, hasIncumbent: false })).waitingFor).toEqual(['below_minimum_sample'])
  })
})

describe('effects', () => {
  it('bound the ratio at all times, and leave out what is unbounded', () => {
    const [effect] = effects(inputOf([fair(2000, 400, 200)]))
    expect(effect?.lower).toBeGreaterThan(1.5)
    expect(effect?.upper).toBeLessThan(2.6)
    expect(effects(inputOf([]))).toEqual([{ metric: 'error_rate', lower: 0 }])
  })
})
