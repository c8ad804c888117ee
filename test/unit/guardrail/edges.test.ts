import { assess } from '../../../src/domain/analysis'
import type { AssessmentInput } from '../../../src/domain/guardrail'
import { inputOf, policyWith, stratum } from '../../support/assessment'

const breakers = [
  { kind: 'errors', events: ['error'], minCount: 20, minRate: 0.5, windowMs: 60_000 },
  { kind: 'budget', usdPerHour: 2, usdPerRelease: 10, usdPerTenant: 1 },
] as const
const policy = policyWith({ breakers })
const window = (requests: number, errors: number) => [{ windowMs: 60_000, requests, errors, costUsd: 0 }]

const scenes: readonly (readonly [string, AssessmentInput, Partial<ReturnType<typeof assess>>])[] = [
  ['no traffic', inputOf([], { policy, windows: window(0, 0) }), { action: 'continue', waitingFor: ['no_traffic'] }],
  [
    'an arm that is silent',
    inputOf([stratum({ candidate: { units: 0 }, incumbent: { units: 200 } })], { policy, windows: window(0, 0) }),
    { action: 'pause', waitingFor: ['ratio_mismatch', 'below_minimum_sample'] },
  ],
  [
    'three requests, all of them errors',
    inputOf(
      [stratum({ candidate: { units: 2, events: { error: 2 } }, incumbent: { units: 1, events: { error: 1 } } })],
      {
        policy,
        windows: window(3, 3),
      },
    ),
    { action: 'continue', waitingFor: ['below_minimum_sample'] },
  ],
  [
    'nothing but errors in both arms: the breaker, for there is no difference',
    inputOf(
      [stratum({ candidate: { units: 99, events: { error: 99 } }, incumbent: { units: 101, events: { error: 101 } } })],
      {
        policy,
        windows: window(300, 300),
      },
    ),
    { action: 'rollback', waitingFor: ['absolute_limit', 'baking'] },
  ],
]

describe('at the edges', () => {
  it.each(scenes)('%s is decided without a guess', (_, input, expected) => {
    expect(assess(input)).toMatchObject({ ...expected, mayAdvance: false })
  })
})

describe('budgets', () => {
  it.each([
    ['budget_per_hour', { releaseUsd: 3, lastHourUsd: 2.5 }],
    ['budget_per_release', { releaseUsd: 10.5, lastHourUsd: 1 }],
    ['budget_per_tenant', { releaseUsd: 3, lastHourUsd: 1, topTenant: { tenant: 'acme', usd: 1.5 } }],
  ] as const)('%s alone takes the release back', (name, spend) => {
    const assessment = assess(inputOf([], { policy, spend }))
    const failed = assessment.verdicts.filter(({ verdict }) => verdict === 'fail')
    expect(assessment.action).toBe('rollback')
    expect(failed).toMatchObject([{ name, reason: 'absolute_limit' }])
    if (name === 'budget_per_tenant') expect(failed[0]?.text).toContain('for acme: the limit is $1.00')
  })

  it('within all limits stop nothing', () => {
    const spend = { releaseUsd: 3, lastHourUsd: 2, topTenant: { tenant: 'acme', usd: 1 } }
    expect(assess(inputOf([], { policy, spend })).action).toBe('continue')
  })
})
