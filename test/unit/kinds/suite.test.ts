import { classOf } from '../../../src/domain/diff'
import type { Digest } from '../../../src/domain/version'
import { suiteKind } from '../../../src/kinds/suite'

const digest = (letter: string): Digest => `sha256:${letter.repeat(64)}`
const itself = (of: Digest): Digest => of
const mood = { name: 'mood', scorer: 'field', options: { path: 'mood' } }
const judged = { name: 'judged', scorer: 'judge', options: { judge: 'checker' }, gate: true, passAt: 0.5 }
const suite = {
  dataset: digest('1'),
  inputs: {},
  scorers: [mood, judged],
  judges: { checker: { engine: digest('2'), prompt: digest('3') } },
  primary: 'mood',
  thresholds: { minAccuracy: 0.6 },
  groupBy: 'group' as const,
  repeats: 1,
}
const texts = (after: typeof suite) => suiteKind.diff(suite, after, itself).map(({ text }) => text)
const classFor = (after: object) => classOf(suiteKind.diff(suite, { ...suite, ...after }, itself))

describe('the difference of two suites', () => {
  it('names the scorer that changed, wherever it stands', () => {
    const other = { ...mood, options: { path: 'report.mood' } }
    expect(texts({ ...suite, scorers: [judged, other] })).toEqual([
      'scorers.mood.options.path: "mood" → "report.mood"',
      'scorers stand in another order: judged, mood',
    ])
    const added = { name: 'first', scorer: 'exact', options: {} }
    expect(texts({ ...suite, scorers: [added, mood, judged] } as typeof suite)).toEqual([
      'scorers.first added: {"scorer":"exact","options":{}}',
    ])
  })

  it('tells another judge, which voids scores, though it breaks nothing', () => {
    const judges = { checker: { ...suite.judges.checker, engine: digest('4') } }
    expect(texts({ ...suite, judges })).toEqual([
      expect.stringMatching(/^judges\.checker\.engine changed:\n- sha256:2+\n\+ sha256:4+$/),
    ])
    expect(classFor({ judges })).toBe('safe')
  })

  it('breaks where a score is gone or means something else, and where another one is the accuracy', () => {
    expect(classFor({ scorers: [judged] })).toBe('breaking')
    expect(classFor({ scorers: [{ ...mood, scorer: 'exact' }, judged] })).toBe('breaking')
    expect(classFor({ primary: 'judged' })).toBe('breaking')
    expect(classFor({ scorers: [{ ...mood, options: { path: 'x' } }, judged] })).toBe('safe')
    expect(classFor({ scorers: [judged, mood] })).toBe('safe')
    expect(classFor({ scorers: [mood, { ...judged, passAt: 1 }] })).toBe('safe')
  })

  it('shows a changed function line by line', () => {
    const own = (source: string) => ({
      ...suite,
      scorers: [mood, { name: 'own', scorer: 'module', options: { source } }],
    })
    const lines = ['() => {', '  return 1', '}']
    const [change] = suiteKind.diff(own(lines.join('\n')), own(lines.join('\n').replace('1', '0')), itself)
    expect(change?.text).toContain('-   return 1')
    expect(change?.text).toContain('+   return 0')
  })
})

describe('a suite with judges', () => {
  it('refers to the engine and the prompt of each, so that they are resolved when it is committed', () => {
    expect(suiteKind.references(suite)).toEqual([
      { path: ['dataset'], kind: 'dataset', ref: digest('1') },
      { path: ['judges', 'checker', 'engine'], kind: 'engine', ref: digest('2') },
      { path: ['judges', 'checker', 'prompt'], kind: 'prompt', ref: digest('3') },
    ])
  })

  it.each([
    { judges: { checker: { engine: digest('2') } } },
    { judges: { 'A name': suite.judges.checker } },
    { judges: { checker: { engine: 'prompt/csat@1.0.0', prompt: digest('3') } } },
    { judges: Object.fromEntries(Array.from({ length: 21 }, (_, place) => [`j${place}`, suite.judges.checker])) },
    { scorers: [{ ...mood, passAt: 0 }] },
    { scorers: [{ ...mood, passAt: 1.5 }] },
  ])('refuses %j', (wrong) => {
    expect(suiteKind.schema.safeParse({ ...suite, ...wrong }).success).toBe(false)
  })
})
