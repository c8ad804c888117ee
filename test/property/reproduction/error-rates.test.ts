import fc from 'fast-check'
import { judgeReproduction, type ReproducedOutput, type ReproductionVerdict } from '../../../src/domain/reproduction'
import { wilsonInterval } from '../../../src/stats/binomial-interval'
import { type Random, randomFrom } from '../../../tools/random'
import { runs } from '../../support/effort'

/**
 * The error rates of the verdict on simulated engines: a report with a class, a number, a flag and a sentence, drawn anew at
 * every call. Seeds are fixed, so the counts are too.
 */
interface Engine {
  /** Share of `good` among the classes. */
  readonly good: number
  readonly score: number
  readonly words: readonly string[]
  /** Share of outputs that equal a fixed one, as of an engine with a seed. */
  readonly fixed: number
}

const usual: Engine = { good: 0.7, score: 4, words: ['calm', 'short', 'polite', 'clear', 'slow', 'kind'], fixed: 0 }

function draw(engine: Engine, random: Random): ReproducedOutput {
  if (random.uniform() < engine.fixed) return { output: { mood: 'good', score: 4, note: 'calm short' }, valid: true }
  const word = (): string => engine.words[Math.floor(random.uniform() * engine.words.length)] ?? ''
  const mood = random.uniform() < engine.good ? 'good' : random.uniform() < 0.5 ? 'fair' : 'bad'
  const score = Math.round(engine.score + random.normal())
  const note = Array.from({ length: 8 }, word).join(' ')
  return { output: { mood, score, note, resolved: random.uniform() < 0.8 }, valid: random.uniform() < 0.97 }
}

interface Trial {
  readonly logged: Engine
  readonly now: Engine
  readonly repeats: number
  readonly alpha: number
  /** Evaluated cases of two outputs each. */
  readonly cases?: number
}

const trials = runs(1_000)

function rates({ logged, now, repeats, alpha, cases = 0 }: Trial, seed: number): Record<ReproductionVerdict, number> {
  const random = randomFrom(seed)
  const counts = { fits: 0, does_not_fit: 0, cannot_tell: 0 }
  for (let trial = 0; trial < trials; trial += 1) {
    const { verdict } = judgeReproduction({
      logged: draw(logged, random),
      repeats: Array.from({ length: repeats }, () => draw(now, random)),
      cases: Array.from({ length: cases }, () => [draw(logged, random), draw(logged, random)]),
      alpha,
    })
    counts[verdict] += 1
  }
  return {
    fits: counts.fits / trials,
    does_not_fit: counts.does_not_fit / trials,
    cannot_tell: counts.cannot_tell / trials,
  }
}

/** The true rate may be `alpha` and no more: so many hits would then come up in one of a thousand simulations. */
const isAtMost = (rate: number, alpha: number): boolean =>
  wilsonInterval(Math.round(rate * trials), trials, 3.1).lower <= alpha

describe('an engine that did not change', () => {
  it.each([
    ['20 repeats at 5 %', { repeats: 20, alpha: 0.05 }],
    ['40 repeats and 60 evaluated cases at 5 %', { repeats: 40, alpha: 0.05, cases: 60 }],
    ['10 repeats at 10 %', { repeats: 10, alpha: 0.1 }],
    ['5 repeats and 60 evaluated cases at 5 %', { repeats: 5, alpha: 0.05, cases: 60 }],
  ] as const)(
    'is told "does not fit" at most as often as stated: %s',
    (_, sizes) => {
      for (const [index, engine] of [usual, { ...usual, fixed: 0.9 }, { ...usual, fixed: 1 }].entries()) {
        const { does_not_fit: rate } = rates({ logged: engine, now: engine, ...sizes }, 10 + index)
        expect({ rate, atMost: isAtMost(rate, sizes.alpha) }).toEqual({ rate, atMost: true })
      }
    },
    120_000,
  )

  it('mostly fits, and always where every repeat is the same', () => {
    expect(rates({ logged: usual, now: usual, repeats: 20, alpha: 0.05 }, 21).fits).toBeGreaterThan(0.75)
    const fixed = { ...usual, fixed: 1 }
    expect(rates({ logged: fixed, now: fixed, repeats: 10, alpha: 0.05 }, 22).fits).toBe(1)
  })
})

describe('an engine that changed', () => {
  const harsh: Engine = { ...usual, score: 12 }
  const changed = [
    ['the scores', harsh],
    ['an answer that was always the same', { ...usual, fixed: 1, words: ['other'] }],
  ] as const

  it('is noticed where its outputs are of another sort', () => {
    expect(rates({ logged: usual, now: harsh, repeats: 20, alpha: 0.05 }, 31).does_not_fit).toBeGreaterThan(0.95)
    const moved = { logged: { ...usual, fixed: 1 }, now: { ...usual, words: ['other'] }, repeats: 20, alpha: 0.05 }
    expect(rates(moved, 32).does_not_fit).toBeGreaterThan(0.3)
  })

  it.each(changed)('is seldom called fitting: %s', (_, now) => {
    const { fits } = rates({ logged: harsh, now: { ...now, score: 4 }, repeats: 20, alpha: 0.05 }, 33)
    expect({ fits, atMost: isAtMost(fits, 0.05) }).toEqual({ fits, atMost: true })
  })

  it('is never called changed by fewer repeats than could show it, nor fitting without reason', () => {
    const told = rates({ logged: usual, now: harsh, repeats: 10, alpha: 0.05 }, 34)
    expect(told.does_not_fit).toBe(0)
    expect(isAtMost(told.fits, 0.05)).toBe(true)
  })

  it('is noticed by its spread beside evaluated cases, also where nothing was logged', () => {
    const random = randomFrom(35)
    const steady: Engine = { ...usual, fixed: 0.99 }
    const loose: Engine = { ...usual, good: 0.34 }
    const cases = Array.from({ length: 100 }, () => [draw(steady, random), draw(steady, random)])
    const verdicts = Array.from({ length: 200 }, () => {
      const repeats = [draw(loose, random), draw(loose, random)]
      return judgeReproduction({ repeats, cases, alpha: 0.05 }).verdict
    })
    expect(verdicts.filter((verdict) => verdict === 'does_not_fit').length).toBeGreaterThan(100)
    expect(verdicts).not.toContain('fits')
  })
})

describe('whatever the outputs are', () => {
  const outputs = fc.record({ output: fc.jsonValue({ maxDepth: 2 }), valid: fc.boolean() })

  it('there is a verdict, its figures are probabilities, and the order of the repeats does not matter', () => {
    const questions = fc.record({
      logged: outputs,
      repeats: fc.array(outputs, { minLength: 1, maxLength: 25 }),
      cases: fc.array(fc.array(outputs, { maxLength: 3 }), { maxLength: 5 }),
      alpha: fc.constantFrom(0.01, 0.05, 0.2),
    })
    fc.assert(
      fc.property(questions, ({ logged, repeats, cases, alpha }) => {
        const found = judgeReproduction({ logged, repeats, cases: [], alpha })
        const turned = judgeReproduction({ logged, repeats: repeats.toReversed(), cases: [], alpha })
        expect(turned).toEqual(found)
        const { belonging } = judgeReproduction({ logged, repeats, cases, alpha })
        const figures = [belonging?.pValue, belonging?.matches, belonging?.typicalAtLeast, belonging?.leastPValue]
        for (const figure of figures) expect((figure ?? -1) >= 0 && (figure ?? 2) <= 1).toBe(true)
      }),
      { numRuns: runs(300) },
    )
  })

  it('an object that cannot be made a text by JavaScript is a value like any other', () => {
    const odd = { output: { odd: { toString: null }, same: 1 }, valid: true }
    const turned = { output: { same: 1, odd: { toString: null } }, valid: true }
    const { belonging } = judgeReproduction({ logged: odd, repeats: [turned, odd], cases: [], alpha: 0.05 })
    expect(belonging?.matches).toBe(1)
  })

  it('a number that some outputs give as null or not at all is of sorts, however many numbers there are', () => {
    const outputs = [null, undefined, ...Array(30).keys()].map((score) => ({
      output: score === undefined ? {} : { score },
      valid: true,
    }))
    for (const gone of [null, undefined]) {
      const repeats = outputs.filter(({ output }) => output.score !== gone)
      const { belonging } = judgeReproduction({
        logged: { output: { score: 1 }, valid: true },
        repeats,
        cases: [],
        alpha: 0.05,
      })
      expect(belonging?.fields).toContainEqual(expect.objectContaining({ field: 'score', kind: 'category' }))
    }
  })

  it('outputs that never repeat and cannot be compared are not called fitting', () => {
    const ids = Array.from({ length: 15 }, (_, index) => ({ output: { id: `id-${index}` }, valid: true }))
    const { verdict, reasons } = judgeReproduction({
      logged: { output: { id: 'id-x' }, valid: true },
      repeats: ids,
      cases: [],
      alpha: 0.1,
    })
    expect(verdict).toBe('cannot_tell')
    expect(reasons).toHaveLength(1)
  })
})
