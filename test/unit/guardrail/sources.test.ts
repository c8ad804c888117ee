import { assess, restsOnSources } from '../../../src/domain/analysis'
import type { SourceShare } from '../../../src/domain/live-evidence'
import { anyOneOf } from '../../../src/domain/source-fold'
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

describe('with more sources than are told apart', () => {
  const breaker = { kind: 'errors', events: ['error'], minCount: 20, minRate: 0.5, windowMs: 60_000 } as const

  /** As the reader hands them over: the largest apart, of the others what any one can have told. */
  const toldApart = (parts: readonly Lost[], windows: readonly SourceShare['windows'][number][] = []) => {
    const all = parts.map((lost, index) => {
      const name = `process-${index}`
      const window = windows[index]
      return { ...source('reporter', name, lost), windows: window === undefined ? [] : [window] }
    })
    return [...all.slice(0, 16), ...anyOneOf(all.slice(16))]
  }

  it.each([17, 50, 120])('harm that all of %i equal processes see rolls back', (count) => {
    const units = 6_000 / count
    const each: Lost = {
      candidate: { units, event_error: units * 0.05 },
      incumbent: { units, event_error: units * 0.01 },
    }
    const parts = Array.from({ length: count }, () => each)
    expect(assess({ ...inputOf([whole(parts)]), sources: toldApart(parts) }).action).toBe('rollback')
  })

  it.each([17, 50, 120])('a breaker rolls back where every request that %i processes see fails', (count) => {
    const requests = 120 / count
    const nothing = Array.from({ length: count }, (): Lost => ({ candidate: {}, incumbent: {} }))
    const sources = toldApart(
      nothing,
      nothing.map(() => ({ requests, errors: requests })),
    )
    const windows = [{ windowMs: 60_000, requests: 120, errors: 120, costUsd: 0 }]
    const input = inputOf([], { policy: policyWith({ guardrails: [], breakers: [breaker] }), windows })
    expect(assess({ ...input, sources }).action).toBe('rollback')
  })

  it('one that forges is found among the small ones', () => {
    const small: Lost = { candidate: { units: 20, event_error: 20 }, incumbent: { units: 20, event_error: 0 } }
    const faultless: Lost = { candidate: { units: 100 }, incumbent: { units: 100 } }
    const parts = [...Array.from({ length: 30 }, () => faultless), small]
    const assessment = assess({ ...inputOf([whole(parts)]), sources: toldApart(parts) })
    expect(assessment.action).toBe('pause')
    expect(assessment.verdicts[0]?.text).toMatch(/not so without reporter one of 15 others$/)
  })

  it('one that makes the candidate dearer is found by its mean', () => {
    const costs = (n: number, usd: number): Totals => {
      const logs = { closed_cost_usd_logSum: n * Math.log(usd), closed_cost_usd_logSumSquares: n * Math.log(usd) ** 2 }
      return {
        units: n,
        closed_cost_usd_n: n,
        closed_cost_usd_sum: n * usd,
        closed_cost_usd_sumSquares: n * usd * usd,
        ...logs,
      }
    }
    const one = (usd: number): SourceShare => source('key', 'x', { candidate: costs(10, usd), incumbent: costs(5, 1) })
    const [candidate, incumbent] = anyOneOf([one(1), source('key', 'y', { candidate: costs(40, 3), incumbent: {} })])
    expect(candidate?.lost).toMatchObject([{ arm: 'candidate', totals: costs(40, 3) }])
    expect(incumbent?.lost).toMatchObject([{ arm: 'incumbent', totals: costs(5, 1) }])
  })
})

describe('harm that one of three keys hides', () => {
  const late = { bakeComplete: true }
  const harmed: Lost = { candidate: { units: 200, event_error: 20 }, incumbent: { units: 200, event_error: 2 } }
  const keys = (parts: readonly Lost[]) => parts.map((lost, index) => source('key', `app-${index + 1}`, lost))
  const judged = (parts: readonly Lost[], sources = keys(parts), step: object = late) =>
    assess({ ...inputOf([whole(parts)], { step }), sources })

  it('under failures of the incumbent that it invents stops the advance and names that key', () => {
    const hider: Lost = { candidate: { units: 60 }, incumbent: { units: 60, event_error: 40 } }
    const parts = [harmed, harmed, hider]
    const unaware = judged(parts, [])
    expect(unaware).toMatchObject({ action: 'continue', mayAdvance: true })
    expect(restsOnSources(inputOf([whole(parts)], { step: late }), unaware)).toBe(true)
    const aware = judged(parts)
    expect(aware).toMatchObject({ action: 'pause', mayAdvance: false, waitingFor: ['one_reporter'] })
    expect(aware.verdicts[0]).toMatchObject({ verdict: 'fail', role: 'pause', reason: 'one_reporter' })
    expect(aware.verdicts[0]?.text).toContain('worse without key app-3: error rate 10.0 % against 1.0 %')
  })

  it('under conversations that it invents, so that the traffic does not fit, is told of', () => {
    const hider: Lost = { candidate: { units: 300 }, incumbent: {} }
    const parts = [harmed, harmed, hider]
    const unaware = judged(parts, [])
    expect(unaware.verdicts[0]).toMatchObject({ verdict: 'no_evidence', reason: 'ratio_mismatch' })
    expect(restsOnSources(inputOf([whole(parts)]), unaware)).toBe(true)
    const aware = judged(parts)
    expect(aware).toMatchObject({ action: 'pause', mayAdvance: false })
    expect(aware.verdicts[0]?.text).toContain('worse without key app-3')
  })

  it.each([
    ['two keys', [harmed, { candidate: { units: 60 }, incumbent: { units: 60, event_error: 40 } }]],
    ['three keys that see the same', [healthy, healthy, healthy]],
  ] as const)('is not made up of %s', (_, parts) => {
    expect(judged(parts)).toMatchObject({ action: 'continue', mayAdvance: true })
  })

  it('is not looked for before the bake is over', () => {
    const input = inputOf([whole([healthy, healthy, healthy])])
    expect(restsOnSources(input, assess(input))).toBe(false)
  })
})
