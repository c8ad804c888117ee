import { assess } from '../../../src/domain/analysis'
import type { SourceShare } from '../../../src/domain/live-evidence'
import type { Totals } from '../../../src/domain/telemetry-fold'
import { inputOf, policyWith, stratum } from '../../support/assessment'

type Lost = { readonly candidate: Totals; readonly incumbent: Totals }

const source = (kind: SourceShare['kind'], name: string, lost: Lost, errors = 0): SourceShare => ({
  kind,
  name,
  lost: (['candidate', 'incumbent'] as const).map((arm) => ({
    ...{ environment: 'production', seq: 2, slice: 0, arm },
    totals: lost[arm],
  })),
  windows: [{ requests: 100, errors }],
})

const healthy: Lost = { candidate: { units: 100, event_error: 1 }, incumbent: { units: 100, event_error: 1 } }
const forged: Lost = { candidate: { units: 100, event_error: 60 }, incumbent: { units: 100, event_error: 0 } }
const spike: Lost = { candidate: { units: 100, event_error: 40 }, incumbent: { units: 100, event_error: 1 } }

const whole = (parts: readonly Lost[]) => {
  const sum = (arm: keyof Lost, name: 'units' | 'event_error') =>
    parts.reduce((total, part) => total + (part[arm][name] ?? 0), 0)
  const arm = (name: keyof Lost) => ({ units: sum(name, 'units'), events: { error: sum(name, 'event_error') } })
  return stratum({ candidate: arm('candidate'), incumbent: arm('incumbent') })
}

describe('a relative fail', () => {
  it('that three keys of one do not share pauses and names that key', () => {
    const parts = [healthy, healthy, forged]
    const sources = parts.map((lost, index) => source('key', `app-${index + 1}`, lost))
    const told = inputOf([whole(parts)])
    expect(assess(told).action).toBe('rollback')
    const assessment = assess({ ...told, sources })
    expect(assessment).toMatchObject({ action: 'pause', mayAdvance: false })
    expect(assessment.verdicts[0]).toMatchObject({ role: 'pause', verdict: 'fail', reason: 'one_reporter' })
    expect(assessment.verdicts[0]?.text).toMatch(/not so without key app-3$/)
  })

  it('that every one of them sees rolls back', () => {
    const parts = [spike, spike, spike]
    const sources = parts.flatMap((lost, index) => [
      source('key', `app-${index}`, lost),
      source('reporter', `process-${index}`, lost),
    ])
    expect(assess({ ...inputOf([whole(parts)]), sources }).action).toBe('rollback')
  })

  it.each([
    ['two keys alone cannot say which of them is right', 'key', 2, 'rollback'],
    ['three processes of one key are told apart too', 'reporter', 3, 'pause'],
  ] as const)('%s', (_, kind, count, action) => {
    const parts = [forged, ...Array.from({ length: count - 1 }, () => healthy)]
    const sources = parts.map((lost, index) => source(kind, `one-${index}`, lost))
    expect(assess({ ...inputOf([whole(parts)]), sources }).action).toBe(action)
  })

  it('counts only sources that told something: two empty ones are nobody', () => {
    const nothing: Lost = { candidate: {}, incumbent: {} }
    const sources = [forged, nothing, nothing].map((lost, index) => ({
      ...source('key', `app-${index}`, lost),
      windows: [],
    }))
    expect(assess({ ...inputOf([whole([forged])]), sources }).action).toBe('rollback')
  })
})

describe('an error breaker', () => {
  const breaker = { kind: 'errors', events: ['error'], minCount: 20, minRate: 0.3, windowMs: 60_000 } as const
  const nothing: Lost = { candidate: {}, incumbent: {} }

  it.each([
    [[100, 0, 0], 'pause'],
    [[60, 60, 60], 'rollback'],
  ] as const)('with errors %j of three reporters asks for %s', (errors, action) => {
    const sources = errors.map((count, index) => source('reporter', `process-${index}`, nothing, count))
    const windows = [{ windowMs: 60_000, requests: 300, errors: errors[0] + errors[1] + errors[2], costUsd: 0 }]
    const assessment = assess({ ...inputOf([], { policy: policyWith({ breakers: [breaker] }), windows }), sources })
    expect(assessment.action).toBe(action)
    if (action === 'pause') expect(assessment.verdicts.at(-1)?.text).toMatch(/not so without reporter process-0$/)
  })
})
