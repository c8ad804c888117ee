import fc from 'fast-check'
import { FigureFold } from '../../src/domain/figures'
import { compileSchema } from '../../src/kinds/schema-compile'
import { patternFault } from '../../src/kinds/schema-pattern'
import { prepareScorer } from '../../src/scorers'
import type { Sample, Scored, ScorerOptions } from '../../src/scorers/scorer'
import { likenessOf, type TextMeasureName, textMeasures } from '../../src/scorers/text-measures'
import { groupedShare } from '../../src/stats/grouped'
import { meanOfRatios } from '../../src/stats/grouped-ratio'

const tools = { compileSchema, patternFault, judges: {} }
const json = fc.jsonValue({ maxDepth: 2 })
const word = fc.constantFrom('a', 'b', 'c', 'd', 'é', 'A')
const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.array(word, { maxLength: 12 }).map((words) => words.join(' ')),
)
const sampleOf = (parsed: unknown, expected: Sample['expected']): Sample => ({
  text: JSON.stringify(parsed),
  parsed,
  input: {},
  expected,
})
const score = (name: string, options: ScorerOptions, one: Sample): Scored =>
  prepareScorer(name, options, tools).score(one, []) as Scored

describe.each(Object.keys(textMeasures) as TextMeasureName[])('the measure %s', (name) => {
  const alike = (left: string, right: string): number => likenessOf(textMeasures[name], left, right).value

  it('is within 0..1, symmetric, and 1 for a text and itself', () => {
    fc.assert(
      fc.property(text, text, (left, right) => {
        const value = alike(left, right)
        expect(value).toBeGreaterThanOrEqual(0)
        expect(value).toBeLessThanOrEqual(1)
        expect(value).toBeCloseTo(alike(right, left), 12)
        expect(alike(left, left)).toBe(1)
      }),
    )
  })
})

it('takes as many edits as it says: a text with k characters replaced is at least 1 − k / n alike', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 40 }), fc.nat({ max: 40 }), (plain, edits) => {
      const edited = [...plain].map((letter, place) => (place < edits ? '\u0001' : letter)).join('')
      const { value } = likenessOf(textMeasures.levenshtein, plain, edited)
      expect(value).toBeGreaterThanOrEqual(1 - Math.min(edits, plain.length) / plain.length - 1e-12)
    }),
  )
})

const members = fc.array(fc.oneof(word, fc.nat({ max: 3 }), json), { maxLength: 8 })
describe('sets', () => {
  it('are within 0..1, do not mind the order, and are 1 for the same members', () => {
    fc.assert(
      fc.property(members, members, fc.boolean(), (got, wanted, countRepeats) => {
        for (const measure of ['f1', 'precision', 'recall', 'jaccard', 'exact']) {
          const options = { measure, countRepeats }
          const { value } = score('set', options, sampleOf(got, { list: wanted }))
          expect(value).toBeGreaterThanOrEqual(0)
          expect(value).toBeLessThanOrEqual(1)
          expect(score('set', options, sampleOf([...got].reverse(), { list: wanted })).value).toBe(value)
          expect(score('set', options, sampleOf([...got].reverse(), { list: got })).value).toBe(1)
        }
      }),
    )
  })

  it('are symmetric, with precision and recall changing places', () => {
    fc.assert(
      fc.property(members, members, (got, wanted) => {
        const by = (measure: string, left: unknown, right: unknown) =>
          score('set', { measure }, sampleOf(left, { list: right })).value
        for (const measure of ['f1', 'jaccard', 'exact']) {
          expect(by(measure, got, wanted)).toBeCloseTo(by(measure, wanted, got), 12)
        }
        expect(by('precision', got, wanted)).toBeCloseTo(by('recall', wanted, got), 12)
      }),
    )
  })
})

const record = fc.record({ a: fc.option(json), b: fc.option(word), c: fc.boolean() }, { requiredKeys: [] })
describe('fields', () => {
  const options = { fields: ['a', 'b', 'c'] }
  it('are within 0..1, symmetric, and 1 for the labels themselves', () => {
    fc.assert(
      fc.property(record, record, (got, wanted) => {
        const { value } = score('fields', options, sampleOf(got, wanted))
        expect(value).toBeGreaterThanOrEqual(0)
        expect(value).toBeLessThanOrEqual(1)
        expect(score('fields', options, sampleOf(wanted, got)).value).toBe(value)
        expect(score('fields', options, sampleOf(got, structuredClone(got))).value).toBe(1)
      }),
    )
  })

  it('have figures within 0..1, whose accuracy is the mean of the scores', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(record, record), { minLength: 1, maxLength: 20 }), (pairs) => {
        const { score: scoreOf, figures = () => [] } = prepareScorer('fields', options, tools)
        const fold = new FigureFold()
        let sum = 0
        for (const [place, [got, wanted]] of pairs.entries()) {
          const scored = scoreOf(sampleOf(got, wanted), []) as Scored
          sum += scored.value
          fold.add(`g${place % 5}`, scored.parts ?? {})
        }
        const estimates = fold.estimates('fields', figures)
        for (const { mean, lower, upper } of estimates) {
          expect(mean).toBeGreaterThanOrEqual(0)
          expect(mean).toBeLessThanOrEqual(1)
          expect(lower).toBeLessThanOrEqual(mean + 1e-9)
          expect(upper).toBeGreaterThanOrEqual(mean - 1e-9)
        }
        expect(estimates.find(({ figure }) => figure === 'accuracy')?.mean).toBeCloseTo(sum / pairs.length, 10)
      }),
    )
  })
})

describe('a number within a tolerance', () => {
  const within = (got: number, wanted: number, tolerance: ScorerOptions): number =>
    score('numeric-tolerance', { path: 'x', ...tolerance }, sampleOf({ x: got }, { x: wanted })).value

  it('is told of the decimals as they are written, as whole hundredths are', () => {
    const hundredths = fc.integer({ min: -1_000, max: 1_000 })
    const tolerances = fc.record({ absolute: fc.nat({ max: 40 }), relative: fc.nat({ max: 20 }) })
    fc.assert(
      fc.property(hundredths, fc.integer({ min: -30, max: 30 }), tolerances, (wanted, off, { absolute, relative }) => {
        const isWithin = Math.abs(off) <= absolute || Math.abs(off) * 100 <= relative * Math.abs(wanted)
        const tolerance = { absolute: absolute / 100, relative: relative / 100 }
        expect(within((wanted + off) / 100, wanted / 100, tolerance)).toBe(isWithin ? 1 : 0)
      }),
      { numRuns: 1_000 },
    )
  })

  it.each([
    [1.1, 1, { absolute: 0.1 }, 1],
    [4.4, 4.3, { absolute: 0.1 }, 1],
    [1.2, 1.1, { absolute: 0.1 }, 1],
    [1.1, 1, { relative: 0.1 }, 1],
    [1.1000000000000003, 1, { absolute: 0.1 }, 0],
    [5e-324, 0, { absolute: 5e-324 }, 1],
    [1.7976931348623157e308, 1e308, { relative: 5e-324 }, 0],
    [Number.POSITIVE_INFINITY, 1, { relative: 1e308 }, 0],
    [1, Number.POSITIVE_INFINITY, { relative: 1 }, 0],
  ])('%p against %p within %p is scored %p', (got, wanted, tolerance, expected) => {
    expect(within(got, wanted, tolerance)).toBe(expected)
  })
})

describe('a ratio of totals by group', () => {
  it('is the share by group where the denominators count cases', () => {
    const cases = fc.array(fc.tuple(fc.nat({ max: 4 }), fc.boolean()), { minLength: 2, maxLength: 40 })
    fc.assert(
      fc.property(cases, (values) => {
        const over = [0, 0, 0, 0, 0]
        const under = [0, 0, 0, 0, 0]
        for (const [group, hit] of values) {
          over[group] = (over[group] ?? 0) + (hit ? 1 : 0)
          under[group] = (under[group] ?? 0) + 1
        }
        const share = groupedShare(values.map(([group, hit]) => ({ group: `${group}`, value: hit ? 1 : 0 })))
        const ratio = meanOfRatios([{ over, under }])
        for (const key of ['mean', 'lower', 'upper'] as const) expect(ratio?.[key]).toBeCloseTo(share[key], 9)
      }),
    )
  })

  it('covers the F1 of the population about as often as it says, with cases that go together in groups', () => {
    // 95 % over 400 trials: below 91 % the interval would be too narrow, which it is by a third without the groups.
    let state = 12_345
    const uniform = (): number => {
      state = (state * 1_103_515_245 + 12_345) % 2 ** 31
      return state / 2 ** 31
    }
    /** Of one group: how many of its four cases are tp, fp and fn; a bad group is bad as a whole. */
    const group = (): readonly [number, number, number] => {
      const bad = uniform() < 0.3
      const counts: [number, number, number] = [0, 0, 0]
      for (let one = 0; one < 4; one += 1) {
        const kind = uniform() < (bad ? 0.2 : 0.9) ? 0 : uniform() < 0.5 ? 1 : 2
        counts[kind] += 1
      }
      return counts
    }
    // E tp = 4 (0.7 · 0.9 + 0.3 · 0.2) = 2.76 of 4, and the rest is fp or fn: F1 = 2 · 2.76 / (2 · 2.76 + 1.24).
    const truth = 5.52 / 6.76
    let covered = 0
    const trials = 400
    for (let trial = 0; trial < trials; trial += 1) {
      const groups = Array.from({ length: 50 }, group)
      const over = groups.map(([tp]) => 2 * tp)
      const under = groups.map(([tp, fp, fn]) => 2 * tp + fp + fn)
      const { lower, upper } = meanOfRatios([{ over, under }]) ?? { lower: 1, upper: 0 }
      if (lower <= truth && truth <= upper) covered += 1
    }
    expect(covered / trials).toBeGreaterThan(0.91)
    expect(covered / trials).toBeLessThan(0.99)
  })
})
