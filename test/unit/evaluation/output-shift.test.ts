import type { CaseOutcome, Comparison, FieldShift } from '../../../src/domain/evaluation'
import { judgeEvaluation } from '../../../src/domain/evaluation-gate'
import { judgeShifts } from '../../../src/domain/output-shift'
import { armReport, compareArms } from '../../support/outcome-reports'

type Output = Readonly<Record<string, unknown>>

/** Cases in groups of four, scored right, with these outputs. */
const armOf = (outputs: readonly (Output | undefined)[]): readonly CaseOutcome[] =>
  outputs.map((output, index) => ({
    caseId: `case-${String(index).padStart(3, '0')}`,
    group: `g${Math.floor(index / 4)}`,
    repeat: 0,
    status: 'ok',
    scores: { right: 1 },
    passed: true,
    valid: true,
    ...(output === undefined ? {} : { output }),
    inputTokens: 1,
    cachedTokens: 0,
    outputTokens: 1,
    latencyMs: 1,
    costUsd: 1,
    uncachedCostUsd: 1,
    measuredAt: 1,
    fromStore: false,
  }))

function compare(count: number, before: (index: number) => Output | undefined, after: typeof before): Comparison {
  const places = [...Array(count).keys()]
  const comparison = compareArms(armOf(places.map(after)), armOf(places.map(before)), 'right')
  if (!comparison) throw new Error('nothing to compare')
  return comparison
}

const shiftOf = ({ shifts }: Comparison, field = 'x'): FieldShift => {
  const found = shifts.find((shift) => shift.field === field)
  if (!found) throw new Error(`no shift of ${field}`)
  return found
}

describe('the shift of one field', () => {
  it('of classes is the share of pairs that differ, with its interval by group and both mixes', () => {
    const comparison = compare(
      40,
      (index) => ({ x: index % 2 === 0 ? 'a' : 'b' }),
      (index) => ({ x: index < 8 ? 'c' : index % 2 === 0 ? 'a' : 'b' }),
    )
    const { kind, changedShare, detail } = shiftOf(comparison)
    expect([kind, changedShare, detail?.measure, detail?.moved]).toEqual(['category', 0.2, 'changed_share', 0.2])
    expect(detail?.mix).toEqual([
      { value: '"c"', before: 0, after: 0.2 },
      { value: '"a"', before: 0.5, after: 0.4 },
      { value: '"b"', before: 0.5, after: 0.4 },
    ])
    // Two of ten groups moved as a whole: that is two witnesses of ten, not eight of forty.
    expect(detail?.changed.lower).toBeLessThan(0.08)
    expect(detail?.changed.upper).toBeGreaterThan(0.4)
    expect(detail?.examples).toHaveLength(3)
    expect(detail?.examples[0]).toEqual({ caseId: 'case-000', repeat: 0, before: '"a"', after: '"c"' })
  })

  it('does not mind the order of keys, and counts a key that is gone', () => {
    const comparison = compare(
      20,
      () => ({ x: { a: 1, b: 2 }, y: 1 }),
      (index) => ({ x: { b: 2, a: 1 }, ...(index < 5 ? {} : { y: 1 }) }),
    )
    expect(shiftOf(comparison).changedShare).toBe(0)
    expect(shiftOf(comparison, 'y')).toMatchObject({ changedShare: 0.25, before: 1, after: 1 })
    expect(shiftOf(comparison, 'y').detail?.mix).toContainEqual({ value: 'absent', before: 0, after: 0.25 })
  })

  it('tells a key that only some outputs have of all pairs', () => {
    const comparison = compare(
      40,
      (index) => (index < 10 ? { x: true } : { z: 1 }),
      (index) => (index < 10 ? { x: false } : { z: 1 }),
    )
    const { detail, pairs, changedShare } = shiftOf(comparison)
    expect([pairs, changedShare]).toEqual([40, 0.25])
    expect(detail?.mix).toEqual([
      { value: 'false', before: 0, after: 0.25 },
      { value: 'true', before: 0.25, after: 0 },
      { value: 'absent', before: 0.75, after: 0.75 },
    ])
    // Of the ten pairs that have it.
    expect(detail?.difference).toMatchObject({ mean: -1, groups: 3 })
  })

  it('has no tested difference where one group alone has the field, since nothing is known of its error', () => {
    const comparison = compare(
      40,
      (index) => (index < 4 ? { x: 1, y: true, z: 1 } : { z: 1 }),
      (index) => (index < 4 ? { x: 2, y: false, z: 2 } : { z: 2 }),
    )
    expect(shiftOf(comparison, 'x')).toMatchObject({ kind: 'number', before: 1, after: 2 })
    expect(shiftOf(comparison, 'x').detail).not.toHaveProperty('difference')
    expect(shiftOf(comparison, 'y').detail).not.toHaveProperty('difference')
    expect(shiftOf(comparison, 'z').detail?.difference).toMatchObject({ mean: 1, groups: 10 })
  })

  it('tells only what a number can hold, however large the numbers are', () => {
    const comparison = compare(
      40,
      () => ({ x: -1e308, y: 1 }),
      () => ({ x: 1e308, y: Number.POSITIVE_INFINITY }),
    )
    const { before, after, detail } = shiftOf(comparison, 'x')
    expect([before, after, detail?.difference]).toEqual([undefined, undefined, undefined])
    expect(detail?.spread).toMatchObject({ before: { p50: -1e308 }, after: { p50: 1e308 } })
    expect(shiftOf(comparison, 'y')).toMatchObject({ before: 1, changedShare: 1 })
    expect(shiftOf(comparison, 'y').after).toBeUndefined()
    expect(shiftOf(comparison, 'y').detail?.spread).toBeUndefined()
  })

  it('of numbers of many values is the distance of their distributions: noise in each is no shift', () => {
    const noisy = compare(
      100,
      (index) => ({ x: index + 0.25 }),
      (index) => ({ x: index + 0.5 }),
    )
    expect(shiftOf(noisy)).toMatchObject({ kind: 'number', changedShare: 1 })
    expect(shiftOf(noisy).detail?.measure).toBe('distance')
    expect(shiftOf(noisy).detail?.moved).toBeCloseTo(0.01, 12)
    expect(shiftOf(noisy).detail?.difference).toMatchObject({ mean: 0.25, groups: 25 })
    const moved = compare(
      100,
      (index) => ({ x: index }),
      (index) => ({ x: index + 30 }),
    )
    expect(shiftOf(moved).detail).toMatchObject({
      moved: expect.closeTo(0.3, 12),
      spread: { before: { p10: 9, p50: 49, p90: 89 }, after: { p10: 39, p50: 79, p90: 119 } },
    })
  })

  it('tells the mean of the values of its kind, and null is none of them', () => {
    const comparison = compare(
      40,
      (index) => ({ x: index < 20 ? 4 : null, y: index < 10 ? true : null, z: null }),
      () => ({ x: 4, y: true, z: null }),
    )
    expect(shiftOf(comparison, 'x')).toMatchObject({ kind: 'number', before: 4, after: 4, changedShare: 0.5 })
    expect(shiftOf(comparison, 'x').detail?.mix).toContainEqual({ value: 'null', before: 0.5, after: 0 })
    expect(shiftOf(comparison, 'y')).toMatchObject({ kind: 'boolean', before: 1, after: 1, changedShare: 0.75 })
    expect(shiftOf(comparison, 'z')).toMatchObject({ kind: 'category', changedShare: 0 })
  })

  it('of numbers counts no more values because some are null or absent', () => {
    const valued = (count: number) => (index: number) =>
      index === 0 ? { x: null } : index === 1 ? { z: 1 } : { x: index % count }
    const measureOf = (count: number) => shiftOf(compare(60, valued(count), valued(count))).detail?.measure
    expect([measureOf(20), measureOf(21)]).toEqual(['changed_share', 'distance'])
  })
})

describe('a field against the margin', () => {
  const verdictOf = (comparison: Comparison, margin: number) => judgeShifts(comparison, margin)[0]
  const amount = (index: number): Output => ({ x: 10 + index * 0.37 })

  it.each<[string, (index: number) => Output, string]>([
    ['is never given', () => ({}), '100.0 %'],
    ['is left out in half of the cases', (index) => (index % 2 === 0 ? {} : amount(index)), '50.0 %'],
    ['is null in half of the cases', (index) => (index % 2 === 0 ? { x: null } : amount(index)), '50.0 %'],
  ])('is different where a number of many values %s', (_, after, share) => {
    const reason = `One side alone has a number in ${share} of 200 pairs; margin 10.0 %.`
    for (const comparison of [compare(200, amount, after), compare(200, after, amount)]) {
      expect(verdictOf(comparison, 0.1)).toEqual({ field: 'x', verdict: 'fail', reason })
      expect(shiftOf(comparison).detail).toMatchObject({ measure: 'one_sided' })
    }
  })

  it('is different where all numbers moved, though one is null', () => {
    const comparison = compare(
      200,
      (index) => (index === 7 ? { x: null } : amount(index)),
      (index) => ({ x: 1010 + index * 0.37 }),
    )
    const reason = 'The two distributions are 100.0 % apart over 200 pairs; margin 10.0 %.'
    expect(verdictOf(comparison, 0.1)).toEqual({ field: 'x', verdict: 'fail', reason })
  })

  it('is the same where both sides leave the number out, be it as null or altogether', () => {
    const comparison = compare(
      200,
      (index) => (index % 2 === 0 ? { x: null } : amount(index)),
      (index) => (index % 2 === 0 ? {} : amount(index)),
    )
    expect(verdictOf(comparison, 0.1)).toMatchObject({ verdict: 'pass' })
  })

  it('is different beyond it, and says by how much', () => {
    const comparison = compare(
      40,
      () => ({ x: 'a' }),
      (index) => ({ x: index < 8 ? 'b' : 'a' }),
    )
    expect(verdictOf(comparison, 0.2)).toMatchObject({ field: 'x', verdict: 'pass' })
    expect(verdictOf(comparison, 0.19)).toMatchObject({
      verdict: 'fail',
      reason: expect.stringMatching(/^It differs in 20\.0 % \(\d.* by group\) of 40 pairs; margin 19\.0 %\.$/),
    })
  })

  it('is not judged as free text, nor where outputs are not objects', () => {
    const long = (letter: string) => letter.repeat(50)
    const text = compare(
      20,
      () => ({ x: long('a') }),
      () => ({ x: long('b') }),
    )
    expect(verdictOf(text, 0)).toMatchObject({ verdict: 'not_applicable' })
    const prose = compare(
      20,
      (index) => (index < 5 ? { x: 1 } : undefined),
      () => ({ x: 2 }),
    )
    expect(verdictOf(prose, 0)).toMatchObject({
      verdict: 'not_applicable',
      reason: expect.stringContaining("Only 5 of the incumbent's 20 outputs"),
    })
  })

  it('is no evidence where most outputs of the candidate cannot be compared, or a distribution has few pairs', () => {
    const broken = compare(
      20,
      () => ({ x: 1 }),
      (index) => (index < 9 ? { x: 1 } : undefined),
    )
    expect(verdictOf(broken, 0.3)).toMatchObject({
      verdict: 'no_evidence',
      reason: expect.stringContaining('Only 9 of 20'),
    })
    const few = compare(
      19,
      (index) => ({ x: index }),
      (index) => ({ x: -index }),
    )
    expect(verdictOf(few, 0.3)).toMatchObject({ verdict: 'no_evidence', reason: expect.stringContaining('too few') })
  })
})

const digest = (letter: string) => `sha256:${letter.repeat(64)}` as const
const test = {
  regressionMargin: 0.03,
  schemaComplianceMin: 0.99,
  tokensRatioMax: 1.25,
  latencyRatioMax: 1.5,
  costRatioMax: 1.25,
  shiftMargin: 0.3,
  budgetUsd: 5,
}
const gateOf = (candidate: readonly CaseOutcome[], incumbent: readonly CaseOutcome[], judging?: string) => {
  const suite = { scorers: ['right'], primary: 'right' }
  const comparison = compareArms(candidate, incumbent, 'right')
  return judgeEvaluation({
    candidate: armReport(digest('a'), candidate, suite),
    incumbent: armReport(digest('b'), incumbent, suite),
    ...(comparison ? { comparison } : {}),
    leakage: { name: 'leakage', verdict: 'pass', text: 'nothing leaked' },
    expected: candidate.length,
    thresholds: { minAccuracy: 0.6 },
    policy: { test, exceptions: [] },
    primary: 'right',
    ...(judging === undefined ? {} : { judging }),
  })
}

describe('the gate', () => {
  const objects = (count: number, x: (index: number) => number) =>
    armOf([...Array(count).keys()].map((index) => ({ x: x(index) })))

  it('tells every field, and concludes nothing from one that cannot be told', () => {
    const few = gateOf(
      objects(16, (index) => index),
      objects(16, (index) => index + 100),
    )
    // Sixteen values each, so that together they are no classes any more.
    expect(few).toMatchObject({
      verdict: 'no_evidence',
      shifting: false,
      shifts: [{ field: 'x', verdict: 'no_evidence' }],
    })
    expect(few.reasons).toEqual([expect.stringContaining('too few to compare two distributions')])
    const shifted = gateOf(
      objects(40, (index) => index),
      objects(40, (index) => index + 100),
    )
    expect(shifted).toMatchObject({ verdict: 'fail', shifting: true, shifts: [{ verdict: 'fail' }] })
    expect(shifted.reasons).toEqual([expect.stringContaining('x, has distributions 100.0 % apart')])
    const gone = gateOf(
      armOf(Array(40).fill({})),
      objects(40, (index) => index),
    )
    expect(gone).toMatchObject({ verdict: 'fail', shifting: true, shifts: [{ verdict: 'fail' }] })
    expect(gone.reasons).toEqual([expect.stringContaining('x, is a number on one side alone in 100.0 % of the cases')])
  })

  it('leaves few cases without evidence out, and concludes nothing from many', () => {
    const arm = objects(100, () => 1)
    const unscored = (count: number) =>
      arm.map((one, index) =>
        index < count ? { ...one, scores: {}, unscored: { right: 'the judge gave no answer' } } : one,
      )
    const few = gateOf(unscored(2), arm)
    expect(few).toMatchObject({ verdict: 'pass', reasons: [] })
    const many = gateOf(unscored(3), arm, 'the budget of $1 is used up')
    expect(many).toMatchObject({ verdict: 'no_evidence' })
    expect(many.reasons).toEqual([expect.stringMatching(/3\.0 % of the candidate's .*score right \(the budget of \$1/)])
    const none = gateOf(unscored(100), arm)
    expect(none.verdict).toBe('no_evidence')
  })
})
