import { assess } from '../../../src/domain/analysis'
import { windowBetween } from '../../../src/domain/breaker'
import { formatDuration, formatUsd, formatValue } from '../../../src/domain/verdict-text'
import { inputOf, policyWith } from '../../support/assessment'

const errors = { kind: 'errors', events: ['error'], minCount: 5, minRate: 0.2, windowMs: 300_000 } as const
const budget = { kind: 'budget', usdPerHour: 2, usdPerRelease: 10 } as const

describe('the error breaker', () => {
  it.each([
    [5, 25, 'rollback'],
    [4, 4, 'continue'],
    [5, 26, 'continue'],
    [0, 0, 'continue'],
  ] as const)('with %d errors of %d requests asks for %s: it wants count and rate', (failed, requests, action) => {
    const windows = [{ windowMs: 300_000, requests, errors: failed, costUsd: 0 }]
    expect(assess(inputOf([], { policy: policyWith({ breakers: [errors] }), windows })).action).toBe(action)
  })

  it('works without an incumbent', () => {
    const windows = [{ windowMs: 300_000, requests: 10, errors: 10, costUsd: 0 }]
    const assessment = assess(inputOf([], { policy: policyWith({ breakers: [errors] }), windows, hasIncumbent: false }))
    expect(assessment.action).toBe('rollback')
    expect(assessment.verdicts.at(-1)?.text).toBe(
      '10 of 10 candidate requests failed in the last 5 minutes (100.0 %): the limit is 5 at 20.0 % or more',
    )
  })

  it('reads each window by its own breaker, in the order of the policy', () => {
    const strict = { ...errors, minCount: 2 }
    const windows = [
      { windowMs: 300_000, requests: 4, errors: 4, costUsd: 0 },
      { windowMs: 300_000, requests: 4, errors: 1, costUsd: 0 },
    ]
    const policy = policyWith({ breakers: [errors, budget, strict] })
    expect(assess(inputOf([], { policy, windows })).action).toBe('continue')
    expect(assess(inputOf([], { policy, windows: [...windows].reverse() })).action).toBe('rollback')
  })

  it('without a reading has no evidence and stops nothing', () => {
    const assessment = assess(inputOf([], { policy: policyWith({ breakers: [errors] }), windows: [] }))
    expect(assessment.verdicts.at(-1)).toMatchObject({ verdict: 'no_evidence', reason: 'no_traffic' })
  })
})

describe('the budget', () => {
  it.each([
    [10, 2, 'continue'],
    [10.01, 0, 'rollback'],
    [3, 2.01, 'rollback'],
    [Number.NaN, Number.NaN, 'continue'],
  ] as const)('with $%d in the release and $%d in the hour asks for %s', (releaseUsd, lastHourUsd, action) => {
    const policy = policyWith({ breakers: [budget] })
    const assessment = assess(inputOf([], { policy, spend: { releaseUsd, lastHourUsd } }))
    expect(assessment.action).toBe(action)
    expect(JSON.stringify(assessment)).not.toMatch(/NaN|null/)
  })
})

describe('windowBetween', () => {
  it('is what the totals grew by, and never negative', () => {
    const before = { requests: 10, errors: 3, costUsd: 1 }
    const after = { requests: 25, errors: 4, costUsd: 1.5 }
    expect(windowBetween(before, after, 1000)).toEqual({ windowMs: 1000, requests: 15, errors: 1, costUsd: 0.5 })
    expect(windowBetween(after, before, 1000)).toEqual({ windowMs: 1000, requests: 0, errors: 0, costUsd: 0 })
  })
})

describe('texts', () => {
  it('show values as people read them', () => {
    expect(formatValue(0.061, 'share')).toBe('6.1 %')
    expect(formatValue(0.0004, 'share')).toBe('0.04 %')
    expect(formatValue(811.6, 'ms')).toBe('812 ms')
    expect([12.5, 0.0123456, 0.00000123456, 0].map(formatUsd)).toEqual(['$12.50', '$0.0123', '$0.00000123', '$0'])
    expect([3_600_000, 90_000, 1000, 250, 7_200_000].map(formatDuration)).toEqual([
      '1 hour',
      '90 seconds',
      '1 second',
      '250 ms',
      '2 hours',
    ])
  })
})
