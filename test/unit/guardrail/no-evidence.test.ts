import { assess } from '../../../src/domain/analysis'
import { inputOf, policyWith, stratum } from '../../support/assessment'

const short = stratum({ candidate: { units: 12 }, incumbent: { units: 14 } })
const late = { bakeComplete: true }

describe('no evidence', () => {
  it.each([
    ['extend', 'continue'],
    ['pause', 'pause'],
    ['rollback', 'rollback'],
    ['ask', 'pause'],
  ] as const)('by the policy %s asks for %s once the bake is over, and waits before', (noEvidence, action) => {
    const policy = policyWith({ guardrail: { noEvidence } })
    expect(assess(inputOf([short], { policy }))).toMatchObject({ action: 'continue', mayAdvance: false })
    expect(assess(inputOf([short], { policy, step: late }))).toMatchObject({ action, mayAdvance: false })
    expect(assess(inputOf([], { policy, step: late }))).toMatchObject({ action, mayAdvance: false })
  })

  it('is what exceedances are without a frozen limit, however many conversations there are', () => {
    const many = stratum({ candidate: { units: 5_000 }, incumbent: { units: 5_000 } })
    const guardrails = (['latency_exceedance', 'cost_exceedance'] as const).map((metric) => ({
      ...{ metric, role: 'rollback' as const, margin: 0.25, noEvidence: 'pause' as const },
    }))
    const policy = policyWith({ guardrails })
    expect(assess(inputOf([many], { policy, step: late })).mayAdvance).toBe(true)
    const reporting = { silent: false, full: false, noLimits: true as const }
    const assessment = assess(inputOf([many], { policy, reporting, step: late }))
    expect(assessment).toMatchObject({ action: 'pause', mayAdvance: false, waitingFor: ['no_outcomes'] })
    for (const verdict of assessment.verdicts.slice(0, 2)) {
      expect(verdict).toMatchObject({ verdict: 'no_evidence', reason: 'no_outcomes' })
    }
    expect(assess(inputOf([many], { reporting, step: late })).mayAdvance).toBe(true)
  })

  it('is what a step has whose minimum is filled by those who are compared with nobody', () => {
    const compared = stratum({
      share: 0.01,
      candidate: { units: 2, events: { error: 2 } },
      incumbent: { units: 198, events: { error: 2 } },
    })
    const step = { ...late, minimumSample: 150, units: { candidate: 302, incumbent: 198 } }
    const assessment = assess(inputOf([compared], { step }))
    expect(assessment).toMatchObject({ mayAdvance: false, waitingFor: ['below_minimum_sample'] })
    expect(assessment.verdicts[0]?.text).toContain('2 / 198 of the 150 it needs')
  })

  it('says that it asks', () => {
    const policy = policyWith({ guardrail: { noEvidence: 'ask' } })
    const [verdict] = assess(inputOf([short], { policy, step: late })).verdicts
    expect(verdict?.text).toBe(
      'error rate 0.0 % against 0.0 % (conversations 12 / 14): no harm found, but this step has 12 / 14 of the 50 it needs in each arm; the policy asks for a decision',
    )
  })

  it('of a guardrail that only notifies stops nothing', () => {
    const policy = policyWith({ guardrail: { role: 'notify', noEvidence: 'rollback' } })
    expect(assess(inputOf([short], { policy, step: late })).action).toBe('continue')
  })

  it('where nobody reports follows the policy at once', () => {
    const reporting = { silent: true, full: false }
    const policy = policyWith({ guardrail: { noEvidence: 'pause' } })
    const assessment = assess(inputOf([short], { policy, reporting }))
    expect(assessment).toMatchObject({ action: 'pause', mayAdvance: false })
    expect(assessment.waitingFor).toContain('reporters_silent')
    expect(assess(inputOf([short], { reporting })).action).toBe('continue')
  })

  it('where nobody reports keeps a step that breakers alone watch from going on, once it was met by anybody', () => {
    const policy = policyWith({ guardrails: [] })
    const reporting = { silent: true, full: false }
    const waiting = (candidate: number) => {
      const step = { ...late, minimumSample: 0, units: { candidate, incumbent: 0 } }
      return assess(inputOf([], { policy, reporting, step })).waitingFor
    }
    expect(waiting(1)).toContain('reporters_silent')
    expect(waiting(0)).not.toContain('reporters_silent')
  })

  it.each(['extend', 'rollback'] as const)('of a full set pauses, though the policy says %s', (noEvidence) => {
    const policy = policyWith({ guardrail: { noEvidence } })
    const enough = stratum({ candidate: { units: 60 }, incumbent: { units: 60 } })
    const assessment = assess(inputOf([enough], { policy, step: late, reporting: { silent: false, full: true } }))
    expect(assessment).toMatchObject({ action: 'pause', mayAdvance: false, waitingFor: ['set_full'] })
  })

  it('never hides harm that was already found', () => {
    const harm = stratum({
      candidate: { units: 100, events: { error: 50 } },
      incumbent: { units: 100, events: { error: 2 } },
    })
    expect(assess(inputOf([harm], { reporting: { silent: true, full: true } })).action).toBe('rollback')
  })
})

describe('the sample ratio', () => {
  it('voids every comparison and pauses when traffic does not fit its shares', () => {
    const lopsided = stratum({
      candidate: { units: 60, events: { error: 60 } },
      incumbent: { units: 200, events: { error: 2 } },
    })
    const assessment = assess(inputOf([lopsided], { step: late }))
    expect(assessment).toMatchObject({ action: 'pause', mayAdvance: false, waitingFor: ['ratio_mismatch'] })
    for (const verdict of assessment.verdicts) {
      expect(verdict).toMatchObject({ verdict: 'no_evidence', reason: 'ratio_mismatch' })
    }
    expect(assessment.verdicts.at(-1)?.text).toBe(
      'the candidate has 23.1 % of the traffic, intended were 50 %: no comparison can be trusted until the cause is known',
    )
  })

  it('notices an arm that is silent', () => {
    const silent = stratum({ candidate: { units: 0 }, incumbent: { units: 30 } })
    expect(assess(inputOf([silent])).action).toBe('pause')
    expect(assess(inputOf([stratum({ candidate: { units: 0 }, incumbent: { units: 5 } })])).action).toBe('continue')
  })

  it('does not stand in the way of an absolute breaker', () => {
    const lopsided = stratum({ candidate: { units: 60 }, incumbent: { units: 200 } })
    const policy = policyWith({
      breakers: [{ kind: 'errors', events: ['error'], minCount: 10, minRate: 0.5, windowMs: 60_000 }],
    })
    const windows = [{ windowMs: 60_000, requests: 60, errors: 60, costUsd: 0 }]
    expect(assess(inputOf([lopsided], { policy, windows })).action).toBe('rollback')
  })
})
