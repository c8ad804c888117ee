import type { ArmReport, CaseOutcome, Comparison } from '../../../src/domain/evaluation'
import { type GateInput, judgeEvaluation } from '../../../src/domain/evaluation-gate'
import { largestShift, outputShift } from '../../../src/domain/output-shift'
import { armReport, compareArms } from '../../support/outcome-reports'

const suite = { scorers: ['resolved'], primary: 'resolved' }
const digest = (letter: string) => `sha256:${letter.repeat(64)}` as const

/** 40 cases in ten groups; `right` says which are scored right. */
function outcomes(right: (index: number) => boolean, change: (index: number) => Partial<CaseOutcome> = () => ({})) {
  return [...Array(40).keys()].map(
    (index): CaseOutcome => ({
      caseId: `case-${String(index).padStart(2, '0')}`,
      group: `g${index % 10}`,
      repeat: 0,
      status: 'ok',
      scores: { resolved: right(index) ? 1 : 0 },
      passed: right(index),
      valid: true,
      output: { resolved: right(index), csat: 3, reason: `because of ${index}, at some length that no category has` },
      inputTokens: 100,
      cachedTokens: 0,
      outputTokens: 10,
      latencyMs: 1000 + index,
      costUsd: 0.001,
      uncachedCostUsd: 0.001,
      measuredAt: 1_000_000 + index,
      fromStore: false,
      model: 'm',
      fingerprint: 'f',
      ...change(index),
    }),
  )
}

const test = {
  regressionMargin: 0.03,
  schemaComplianceMin: 0.99,
  tokensRatioMax: 1.25,
  latencyRatioMax: 1.5,
  costRatioMax: 1.25,
  shiftMargin: 0.3,
  budgetUsd: 5,
}

interface Setting {
  readonly candidate: readonly CaseOutcome[]
  readonly incumbent?: readonly CaseOutcome[]
  readonly change?: Partial<GateInput>
}

function judge({ candidate, incumbent, change = {} }: Setting) {
  const comparison = incumbent && compareArms(candidate, incumbent, 'resolved')
  return judgeEvaluation({
    candidate: armReport(digest('a'), candidate, suite),
    ...(incumbent ? { incumbent: armReport(digest('b'), incumbent, suite) } : {}),
    ...(comparison ? { comparison } : {}),
    expected: 40,
    thresholds: { minAccuracy: 0.6 },
    policy: { test, exceptions: [] },
    leakage: { name: 'leakage', verdict: 'pass', text: 'nothing leaked' },
    ...change,
  })
}

const mostly = outcomes((index) => index % 4 !== 0)
const checkOf = (verdict: ReturnType<typeof judge>, name: string) => verdict.checks.find((check) => check.name === name)

describe('the gate of the test stage', () => {
  it('lets an equal candidate pass, with nothing to say against it', () => {
    expect(judge({ candidate: mostly, incumbent: mostly })).toMatchObject({
      verdict: 'pass',
      shifting: false,
      reasons: [],
    })
  })

  it('asks only for the absolute part where there is no incumbent', () => {
    const verdict = judge({ candidate: mostly })
    expect(verdict.verdict).toBe('pass')
    expect(verdict.checks.filter((check) => check.verdict === 'not_applicable').map(({ name }) => name)).toEqual([
      'regression',
      'tokens',
      'latency',
      'cost',
      'output_shift',
    ])
    expect(judge({ candidate: outcomes((index) => index % 2 === 0) })).toMatchObject({
      verdict: 'fail',
      reasons: [expect.stringContaining('Accuracy is 50.0 %')],
    })
  })

  it('refuses a significant fall beyond the margin, and names the cases', () => {
    const worse = outcomes((index) => index % 4 !== 0 && index % 3 !== 0)
    const verdict = judge({ candidate: worse, incumbent: mostly, change: { thresholds: { minAccuracy: 0 } } })
    expect(checkOf(verdict, 'regression')).toMatchObject({ verdict: 'fail', value: -0.25 })
    expect(compareArms(worse, mostly, 'resolved')).toMatchObject({ fixed: { count: 0 }, broken: { count: 10 } })
  })

  it('lets a fall pass that may be chance: one broken case in one group', () => {
    const oneWorse = outcomes((index) => index % 4 !== 0 && index !== 1 && index !== 2)
    const verdict = judge({ candidate: oneWorse, incumbent: mostly })
    expect(checkOf(verdict, 'regression')).toMatchObject({ verdict: 'pass', value: -0.05 })
  })

  it('does not take four trials of one task for four witnesses', () => {
    const inOneGroup = outcomes((index) => index % 4 !== 0 && index % 10 !== 3)
    const comparison = compareArms(inOneGroup, mostly, 'resolved') as Comparison
    expect(comparison.difference.mean).toBeLessThan(-0.04)
    expect(comparison.difference.pBelow).toBeGreaterThan(0.1)
  })

  it.each([
    ['tokens', { outputTokens: 60 }],
    ['cost', { uncachedCostUsd: 0.0013 }],
    ['latency', { latencyMs: 1700 }],
  ] as const)('holds %s to its ratio', (name, change) => {
    const verdict = judge({
      candidate: outcomes(
        (index) => index % 4 !== 0,
        () => change,
      ),
      incumbent: mostly,
    })
    expect(verdict.verdict).toBe('fail')
    expect(verdict.checks.filter((check) => check.verdict === 'fail').map((check) => check.name)).toEqual([name])
  })

  it('compares cost without the prompt cache, which a new arm cannot have warmed', () => {
    const cold = outcomes(
      (index) => index % 4 !== 0,
      () => ({ costUsd: 0.002 }),
    )
    expect(judge({ candidate: cold, incumbent: mostly }).verdict).toBe('pass')
  })

  it('does not judge latency by noise, nor calls that were made at other times', () => {
    const quick = (latencyMs: number) =>
      outcomes(
        (index) => index % 4 !== 0,
        () => ({ latencyMs }),
      )
    expect(judge({ candidate: quick(100), incumbent: quick(10) }).verdict).toBe('pass')
    const earlier = (ms: number, latencyMs: number) =>
      outcomes(
        (index) => index % 4 !== 0,
        (index) => ({ measuredAt: 1_000_000 + index - ms, latencyMs }),
      )
    for (const ms of [7_200_000, mostly.length * 0.6]) {
      expect(checkOf(judge({ candidate: mostly, incumbent: earlier(ms, 10) }), 'latency')).toMatchObject({
        verdict: 'not_applicable',
      })
    }
    const sideBySide = judge({ candidate: mostly, incumbent: earlier(mostly.length * 0.4, 10) })
    expect(checkOf(sideBySide, 'latency')).toMatchObject({ verdict: 'fail' })
  })

  it('holds schema compliance to the higher of the two floors', () => {
    const broken = outcomes(
      (index) => index % 4 !== 0,
      (index) => ({ valid: index !== 5 }),
    )
    expect(checkOf(judge({ candidate: broken }), 'schema_compliance')).toMatchObject({ verdict: 'fail', value: 0.975 })
    const loose = { policy: { test: { ...test, schemaComplianceMin: 0.9 }, exceptions: [] } }
    expect(judge({ candidate: broken, change: loose }).verdict).toBe('pass')
    const suiteFloor = { ...loose, thresholds: { minAccuracy: 0.6, minSchemaCompliance: 0.98 } }
    expect(judge({ candidate: broken, change: suiteFloor }).verdict).toBe('fail')
  })

  it('concludes nothing from a part of the suite, not even a failure', () => {
    const half = outcomes(() => false).slice(0, 20)
    const verdict = judge({ candidate: half, change: { stopped: 'the budget of $5 is used up' } })
    expect(verdict).toMatchObject({ verdict: 'no_evidence' })
    expect(verdict.reasons[0]).toBe('Only 20 of 40 results are there: the budget of $5 is used up.')
    expect(judge({ candidate: mostly, incumbent: mostly.slice(1) }).verdict).toBe('no_evidence')
  })

  it('takes an engine that does not answer for no evidence, beyond a few cases', () => {
    const failed = (count: number) =>
      outcomes(
        (index) => index % 4 !== 0,
        (index) => (index < count ? { status: 'error', valid: false, scores: {}, passed: false } : {}),
      )
    const loose = { policy: { test: { ...test, schemaComplianceMin: 0 }, exceptions: [] } }
    expect(judge({ candidate: failed(1), change: loose })).toMatchObject({ verdict: 'no_evidence' })
    expect(judge({ candidate: mostly, incumbent: failed(2) }).verdict).toBe('no_evidence')
  })
})

describe('output shift', () => {
  const shifted = (share: number) =>
    outcomes(
      (index) => index % 4 !== 0,
      (index) => ({ output: { resolved: index % 4 !== 0, csat: index < share * 40 ? 4 : 3 } }),
    )

  it('raises the class beyond the margin, which needs the exception by name', () => {
    const within = judge({ candidate: shifted(0.25), incumbent: shifted(0) })
    expect(within).toMatchObject({ verdict: 'pass', shifting: false })
    const beyond = judge({ candidate: shifted(0.5), incumbent: shifted(0) })
    expect(beyond).toMatchObject({ verdict: 'fail', shifting: true, reasons: [expect.stringContaining('csat')] })
    const excepted = { policy: { test, exceptions: ['shifting' as const] } }
    expect(judge({ candidate: shifted(0.5), incumbent: shifted(0), change: excepted })).toMatchObject({
      verdict: 'pass',
      shifting: true,
    })
  })

  it('tells how each field moved, and never judges free text', () => {
    const pairs = shifted(0.5).map((candidate, index) => ({ candidate, incumbent: mostly[index] as CaseOutcome }))
    const shifts = outputShift(pairs)
    expect(shifts.map(({ field, kind }) => [field, kind])).toEqual([
      ['csat', 'number'],
      ['resolved', 'boolean'],
      ['reason', 'text'],
    ])
    expect(shifts[0]).toMatchObject({ pairs: 40, changedShare: 0.5, before: 3, after: 3.5 })
    expect(largestShift(shifts)?.field).toBe('csat')
    expect(largestShift(shifts.filter(({ kind }) => kind === 'text'))).toBeUndefined()
  })

  it('takes few short texts for categories', () => {
    const colour = (index: number, other: boolean) => (index % 2 === 0 || other ? 'red' : 'blue')
    const arm = (other: boolean) =>
      outcomes(
        () => true,
        (index) => ({ output: { colour: colour(index, other), gone: index } }),
      )
    const shifts = outputShift(
      arm(true).map((candidate, index) => ({ candidate, incumbent: arm(false)[index] as CaseOutcome })),
    )
    const { detail, ...shift } = shifts[0] ?? {}
    expect(shift).toEqual({ field: 'colour', kind: 'category', pairs: 40, changedShare: 0.5 })
    expect(detail?.mix).toEqual([
      { value: '"blue"', before: 0.5, after: 0 },
      { value: '"red"', before: 0.5, after: 1 },
    ])
    expect(detail?.examples[0]).toEqual({ caseId: 'case-01', repeat: 0, before: '"blue"', after: '"red"' })
  })
})

it('tells which models and fingerprints answered', () => {
  const drifted = outcomes(
    () => true,
    (index) => (index < 3 ? { fingerprint: 'g' } : {}),
  )
  const report: ArmReport = armReport(digest('a'), drifted, suite)
  expect(report.engines).toEqual([
    { model: 'm', fingerprint: 'f', results: 37, from: 1_000_003, to: 1_000_039 },
    { model: 'm', fingerprint: 'g', results: 3, from: 1_000_000, to: 1_000_002 },
  ])
})
