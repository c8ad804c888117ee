import { assess } from '../../../src/domain/analysis'
import { type Backtest, backtest, outcomeOf, type RecordedLook } from '../../../src/domain/backtest'
import type { AssessmentInput } from '../../../src/domain/guardrail'
import type { Policy, PolicyStep, ProbePolicy } from '../../../src/domain/policy'
import { inputOf, policyWith, stratum } from '../../support/assessment'

const step = (minimumSample: number, bakeMs: number): PolicyStep => ({ basisPoints: 5_000, bakeMs, minimumSample })
const minuteMs = 60_000
const window60 = { kind: 'errors', events: ['error'], minCount: 20, minRate: 0.5, windowMs: minuteMs } as const
const had = policyWith({ steps: [step(50, minuteMs)], breakers: [window60] })

interface Sketch {
  readonly units: number
  readonly errors: number
  readonly kind?: RecordedLook['kind']
  readonly change?: Partial<AssessmentInput>
  readonly bakeComplete?: boolean
}

/** Looks a minute apart, as the policy of the release judged them; 500 errors a thousand are harm. */
function looks(sketches: readonly Sketch[], policy: Policy = had): readonly RecordedLook[] {
  return sketches.map(({ units, errors, kind = 'assessment', change = {}, bakeComplete = false }, index) => {
    const rows = [
      stratum({ candidate: { units, events: { error: errors } }, incumbent: { units, events: { error: 2 } } }),
    ]
    const { step: _step, ...rest } = change
    const windows = [{ windowMs: minuteMs, requests: 10, errors: 8, costUsd: 0 }]
    const input = inputOf(rows, { policy, windows, ...rest, step: { bakeComplete, minimumSample: 50 } })
    const place = { step: 'rollout-1', elapsedMs: (index + 1) * minuteMs }
    return { seq: index + 1, at: index * minuteMs, kind, input, assessment: assess(input), ...place }
  })
}

const growing = looks([
  { units: 100, errors: 2 },
  { units: 200, errors: 8 },
  { units: 300, errors: 14 },
  { units: 400, errors: 60 },
])

describe('a backtest', () => {
  it('finds the look at which a stricter policy rolls back, and the one before it', () => {
    const strict = { ...had, guardrails: [{ ...had.guardrails[0], margin: 0 }] } as Policy
    const found = backtest(growing, strict)
    const own = backtest(growing, had)
    expect(own.firstRollback).toMatchObject({ seq: 4, at: 3 * minuteMs, after: 2 * minuteMs })
    expect(found.firstRollback?.seq).toBeLessThanOrEqual(4)
    expect(found.firstRollback?.reasons[0]).toContain('error rate')
    expect(own.same).toBe(4)
  })

  it('says what comes after a rollback that would have been', () => {
    const eager = { ...had, breakers: [{ ...window60, minCount: 5 }] }
    const { looks: judged, firstRollback, longestGapMs } = backtest(growing, eager)
    expect(firstRollback).toMatchObject({ seq: 1, sourcesNotRecorded: true })
    expect(judged.map(({ after }) => after)).toEqual([false, true, true, true])
    expect(longestGapMs).toBe(minuteMs)
  })

  it('finds pauses, where the policy pauses', () => {
    const mild = { ...had, guardrails: [{ ...had.guardrails[0], role: 'pause' }] } as Policy
    const found = backtest(growing, mild)
    expect([found.firstRollback, found.firstPause?.seq]).toEqual([undefined, 4])
  })

  const advance: Sketch = { units: 100, errors: 2, kind: 'advance', bakeComplete: true }
  it.each([
    ['the same sample and bake', step(50, minuteMs), []],
    ['a larger sample', step(500, minuteMs), ['below_minimum_sample']],
    ['a bake that was over by then', step(50, 50_000), []],
    ['a longer bake', step(50, 3_600_000), ['baking']],
  ])('refuses an advance that the policy would not have made yet: %s', (_, wanted, reasons) => {
    const { refused } = backtest(looks([advance]), { ...had, steps: [wanted] })
    expect(refused.map((moment) => moment.reasons)).toEqual(reasons.length === 0 ? [] : [reasons])
  })

  it('counts the time since the step was appended where the other bake is longer', () => {
    const late = looks([{ units: 100, errors: 2 }, { units: 100, errors: 2 }, advance])
    expect(backtest(late, { ...had, steps: [step(50, 2 * minuteMs)] }).refused).toEqual([])
    expect(backtest(late, { ...had, steps: [step(50, 4 * minuteMs)] }).refused).toHaveLength(1)
  })

  const thumbs = { metric: 'thumbs', role: 'rollback', margin: 0, noEvidence: 'rollback' } as const
  const probe: ProbePolicy = {
    name: 'saturation',
    provider: 'prometheus',
    endpoint: 'main',
    query: 'up',
    atMost: 1,
    role: 'rollback',
    noEvidence: 'rollback',
    everyMs: 1_000,
    maxAgeMs: 1_000,
  }

  it('lets nothing that was never recorded act or stand in the way, and gives it the role of its policy', () => {
    const wanted = {
      ...had,
      guardrails: [...had.guardrails, { ...thumbs, custom: { failsBelow: 0 } }],
      probes: [probe],
    }
    const found = backtest(looks([advance]), wanted)
    expect([found.refused, found.looks[0]?.would.action, found.looks[0]?.would.mayAdvance]).toEqual([
      [],
      'continue',
      true,
    ])
    const marked = found.looks[0]?.would.verdicts.filter(({ verdict }) => verdict === 'not_recorded')
    expect(marked?.map(({ name, role }) => [name, role])).toEqual([
      ['thumbs', 'rollback'],
      ['probe:saturation', 'rollback'],
    ])
  })

  it('finds the reading of a probe by what was asked, not by its name or place', () => {
    const policy = { ...had, probes: [{ ...probe, query: 'other' }, probe] }
    const readings = [
      { value: 9, ageMs: 0 },
      { value: 5, ageMs: 0 },
    ]
    const recorded = looks([{ units: 100, errors: 2, change: { readings } }], policy)
    const found = backtest(recorded, { ...had, probes: [{ ...probe, name: 'load' }] })
    expect(found.notRecorded.map(({ name }) => name)).not.toContain('probe:load')
    expect(found.looks[0]?.would).toMatchObject({ action: 'rollback' })
    expect(found.looks[0]?.would.verdicts.find(({ name }) => name === 'probe:load')).toMatchObject({ candidate: 5 })
  })

  const sentiment = { field: 'sentiment', classes: ['angry'], role: 'pause' } as const
  it.each<[string, Partial<Policy>, string, string]>([
    ['a window of another length', { breakers: [{ ...window60, windowMs: 5_000 }] }, 'error_breaker', 'within 5 s'],
    [
      'a window of other events',
      { breakers: [{ ...window60, events: ['schema_failure'] }] },
      'error_breaker',
      'counted like this',
    ],
    ['an hourly budget', { breakers: [{ kind: 'budget', usdPerHour: 1 }] }, 'budget_per_hour', 'in an hour'],
    ['a budget by tenant', { breakers: [{ kind: 'budget', usdPerTenant: 1 }] }, 'budget_per_tenant', 'by tenant'],
    ['a field that nobody told of', { outputs: [sentiment] }, 'output:sentiment', 'the field sentiment'],
    [
      'a custom metric',
      { guardrails: [...had.guardrails, { ...thumbs, custom: { failsBelow: 0 } }] },
      'thumbs',
      'values of thumbs',
    ],
    ['a probe', { probes: [probe] }, 'probe:saturation', 'an answer'],
    [
      'rates before and after',
      { beforeAfter: { metric: 'error_rate', role: 'notify', margin: 0, minimumTenants: 10 } },
      'before_after',
      'error_rate by tenant',
    ],
    ['tenants with fewer events', { maxHarm: { role: 'pause', margin: 0.5, minimumEvents: 1 } }, 'max_harm', 'so few'],
  ])('does not guess what was never recorded: %s', (_, change, name, what) => {
    const tenants = { watched: [], eligible: 0 }
    const found = backtest(looks([{ units: 100, errors: 2, change: { tenants } }]), { ...had, ...change })
    expect(found.notRecorded).toEqual([{ name, what: expect.stringContaining(what), looks: 1 }])
    const verdict = found.looks[0]?.would.verdicts.find((one) => one.name === name)
    expect(verdict).toMatchObject({ verdict: 'not_recorded', text: expect.stringMatching(/^not recorded: /) })
    expect(found.looks[0]?.would.action).toBe('continue')
  })

  it('knows no sample for a step that the policy does not have', () => {
    const { notRecorded } = backtest(growing, { ...had, steps: [] })
    expect(notRecorded).toContainEqual({ name: 'step', what: 'a step named rollout-1', looks: 4 })
  })

  it('tells apart which of two windows was recorded', () => {
    const { looks: judged } = backtest(growing.slice(0, 1), {
      ...had,
      breakers: [{ ...window60, windowMs: 5_000 }, window60],
    })
    const breakers = judged[0]?.would.verdicts.filter(({ name }) => name === 'error_breaker')
    expect(breakers?.map(({ verdict }) => verdict)).toEqual(['not_recorded', 'pass'])
  })

  it('asks more events of a tenant where the recorded ones are known to be all', () => {
    const strata = [{ seq: 2, slice: 0, candidate: { error: 6 }, incumbent: { error: 0 } }]
    const change = { tenants: { watched: [{ tenant: 'acme', strata }], eligible: 1 } }
    const wanted = { ...had, maxHarm: { role: 'pause', margin: 0.5, minimumEvents: 10 } } as const
    const found = backtest(looks([{ units: 100, errors: 2, change }]), wanted)
    expect(found.notRecorded).toEqual([])
    expect(found.looks[0]?.would.verdicts.find(({ name }) => name === 'max_harm')?.text).toContain('no tenant has 10')
  })
})

describe('the outcome', () => {
  const none: Backtest = { looks: [], refused: [], notRecorded: [], longestGapMs: 0, same: 0 }
  const moment = { seq: 1, at: 0, reasons: [], sourcesNotRecorded: false }
  const judged: Backtest = { ...backtest(growing.slice(0, 1), had), refused: [] }
  const gone = { phase: 'rolled_back', rolledBackByGuardrail: true, pausedByGuardrail: false } as const
  const done = { phase: 'done', rolledBackByGuardrail: false, pausedByGuardrail: false } as const
  const stopped = { ...done, pausedByGuardrail: true }
  it.each([
    ['no_evidence', none, done],
    ['same', judged, done],
    ['same', { ...judged, firstRollback: moment }, gone],
    ['would_have_rolled_back', { ...judged, firstRollback: moment }, done],
    ['would_not_have_rolled_back', judged, gone],
    ['would_have_paused', { ...judged, firstPause: moment }, done],
    ['would_not_have_paused', judged, stopped],
    ['would_have_waited', { ...judged, refused: [moment] }, done],
  ] as const)('%s', (outcome, found, end) => {
    expect(outcomeOf(found, end)).toBe(outcome)
  })
})
