import type { OutputPolicy, ShadowPolicy } from '../../../src/domain/policy'
import { judgeShadow, type ShadowUnit } from '../../../src/domain/shadow-judgement'

const shadow: ShadowPolicy = {
  basisPoints: 1_000,
  minimumSample: 100,
  bakeMs: 0,
  deadlineMs: 0,
  usdPerHour: 1,
  guardrails: [
    { metric: 'error_rate', role: 'rollback', margin: 0.25 },
    { metric: 'cost_per_conversation', role: 'pause', margin: 0.1 },
    { metric: 'latency_mean', role: 'notify', margin: 0.1 },
  ],
  noEvidence: 'pause',
}
const outputs: readonly OutputPolicy[] = [
  { field: 'sentiment', classes: ['angry', 'pleased'], role: 'pause' },
  { field: 'csat', role: 'pause' },
]
const sums = { errors: 0, schemaFailures: 0, costUsd: 0.01, uncachedCostUsd: 0.01, latencyMs: 800 }
interface Sketch {
  readonly candidate?: Partial<typeof sums>
  readonly incumbent?: Partial<typeof sums>
  readonly outputs?: ShadowUnit['outputs']
}
/** Costs differ from conversation to conversation by a factor of a thousand: only pairs can tell them apart. */
const units = (count: number, of: (index: number) => Sketch): ShadowUnit[] =>
  Array.from({ length: count }, (_, index) => {
    const { candidate, incumbent, outputs: told } = of(index)
    return {
      pairs: 1,
      candidate: { ...sums, ...candidate },
      incumbent: { ...sums, ...incumbent },
      ...(told === undefined ? {} : { outputs: told }),
    }
  })
const judge = (rows: readonly ShadowUnit[]) => judgeShadow({ alpha: 0.05, shadow, outputs }, rows)

describe('a shadow', () => {
  it('waits for its sample, and passes with it', () => {
    expect(judge([])).toMatchObject({ verdict: 'waiting', units: 0, reasons: [expect.stringContaining('0 of 100')] })
    expect(judge(units(99, () => ({})))).toMatchObject({ verdict: 'waiting' })
    expect(judge(units(100, () => ({})))).toMatchObject({ verdict: 'pass', pairs: 100, reasons: [] })
  })

  it('fails on errors of the candidate long before the sample is there', () => {
    const found = judge(units(40, (index) => ({ candidate: { errors: index % 2 } })))
    expect(found).toMatchObject({ verdict: 'fail' })
    expect(found.reasons[0]).toContain('worse than the margin of 25 %')
  })

  it('blames nobody for errors that both arms have on the same requests', () => {
    const both = { errors: 1 }
    expect(judge(units(400, (index) => (index % 2 ? { candidate: both, incumbent: both } : {}))).verdict).toBe('pass')
  })

  it('finds a cost that is a fifth higher in every pair, however much conversations differ', () => {
    const costs = (index: number) => 0.001 * 10 ** ((index * 7) % 4)
    const dearer = units(100, (index) => ({
      candidate: { costUsd: 1.2 * costs(index) },
      incumbent: { costUsd: costs(index) },
    }))
    expect(judge(dearer)).toMatchObject({ verdict: 'different', reasons: [expect.stringContaining('mean cost')] })
  })

  it('passes what is dearer by exactly the margin, whichever way the sums are rounded', () => {
    const costs = (index: number) => 0.000_001 * (200 + ((index * 7_919) % 3_000))
    const passes = Array.from({ length: 50 }, (_, shift) => {
      const incumbent = (index: number) => ({ costUsd: costs(index + 120 * shift) })
      const candidate = (index: number) => ({ costUsd: 1.1 * costs(index + 120 * shift) })
      return judge(units(120, (index) => ({ candidate: candidate(index), incumbent: incumbent(index) }))).verdict
    })
    expect(new Set(passes)).toEqual(new Set(['pass']))
  })

  it('only tells what a guardrail is to notify of', () => {
    const slower = judge(units(200, () => ({ candidate: { latencyMs: 8_000 } })))
    expect(slower.verdict).toBe('pass')
    expect(slower.verdicts.find(({ name }) => name === 'latency_mean')).toMatchObject({ verdict: 'fail' })
  })

  it.each([
    ['another class', [[{ class: 0 }, { class: 1 }], null], 'sentiment'],
    ['a lower number', [null, [{ number: 2 }, { number: 4 }]], 'csat'],
  ] as const)('is different where outputs are: %s', (_, told, field) => {
    const noisy = units(120, (index) => ({
      outputs:
        index % 3
          ? told
          : [
              [{ class: 1 }, { class: 1 }],
              [{ number: 3 }, { number: 3 }],
            ],
    }))
    const found = judge(noisy)
    expect([found.verdict, found.reasons[0]]).toEqual(['different', expect.stringContaining(field)])
  })

  it('is not different where single outputs are and the mix is not', () => {
    const swapped = units(300, (index) => ({
      outputs: [index % 2 ? [{ class: 0 }, { class: 1 }] : [{ class: 1 }, { class: 0 }], null],
    }))
    expect(judge(swapped).verdict).toBe('pass')
  })
})
