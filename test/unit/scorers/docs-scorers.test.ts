import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { FigureFold } from '../../../src/domain/figures'
import { compileSchema } from '../../../src/kinds/schema-compile'
import { patternFault } from '../../../src/kinds/schema-pattern'
import { prepareScorer, type ScorerName, scorers } from '../../../src/scorers'
import type { Sample, ScorerOptions } from '../../../src/scorers/scorer'

interface Example {
  readonly scorer: ScorerName
  readonly options: ScorerOptions
  readonly cases: readonly {
    readonly output: string
    readonly expected: Sample['expected']
    readonly answers?: readonly string[]
    readonly score?: number
    readonly unscored?: string
  }[]
  readonly figures?: Readonly<Record<string, number>>
}

const docs = readFileSync('docs/scorers.md', 'utf8')
const examples = [...docs.matchAll(/```yaml\n(scorer: [\s\S]*?)```/g)].map(([, text = '']) => parse(text) as Example)
const tools = { compileSchema, patternFault, judges: { checker: ['expected', 'output'] } }

function sampleOf(text: string, expected: Sample['expected']): Sample {
  try {
    return { text, input: {}, expected, parsed: JSON.parse(text) as unknown }
  } catch {
    return { text, input: {}, expected }
  }
}

describe('docs/scorers.md', () => {
  it('has a row, a section with every option, and an example of each scorer', () => {
    expect(examples.map(({ scorer }) => scorer).sort()).toEqual(Object.keys(scorers).sort())
    for (const [name, { options }] of Object.entries(scorers)) {
      expect(docs).toContain(`| \`${name}\` |`)
      const section = docs.split(`\n### ${name}\n`)[1]?.split('\n### ')[0] ?? ''
      for (const option of Object.keys(options)) expect(section).toContain(`\`${option}\``)
    }
  })

  it.each(examples)('tells the truth about $scorer', async ({ scorer, options, cases, figures = {} }) => {
    const prepared = prepareScorer(scorer, options, tools)
    const fold = new FigureFold()
    try {
      for (const [place, { output, expected, answers = [], ...wanted }] of cases.entries()) {
        const score = await prepared.score(sampleOf(output, expected), answers)
        if ('unscored' in score) expect(score).toEqual(wanted)
        else expect(score.value).toBeCloseTo(wanted.score ?? Number.NaN, 12)
        if ('parts' in score && score.parts) fold.add(`g${place}`, score.parts)
      }
    } finally {
      await prepared.close?.()
    }
    const estimates = fold.estimates(scorer, prepared.figures ?? (() => []))
    for (const [name, mean] of Object.entries(figures)) {
      expect(estimates.find(({ figure }) => figure === name)?.mean).toBeCloseTo(mean, 12)
    }
    expect(Object.keys(figures).length > 0).toBe(prepared.figures !== undefined)
  })
})
