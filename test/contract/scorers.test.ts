import { compileSchema } from '../../src/kinds/schema-compile'
import { patternFault } from '../../src/kinds/schema-pattern'
import { prepareScorer, type ScorerName, scorers } from '../../src/scorers'
import type { PreparedScorer, Sample, Score, ScorerOptions } from '../../src/scorers/scorer'

const tools = { compileSchema, patternFault, judges: { strict: ['output', 'rubric'], blind: ['expected'] } }
const sample = (text: string, expected: Sample['expected'] = {}, schema?: object): Sample => {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    parsed = undefined
  }
  const asked = schema && compileSchema(schema as Readonly<Record<string, unknown>>)
  return {
    ...{ text, input: {}, expected },
    ...(parsed === undefined ? {} : { parsed }),
    ...(asked ? { mismatches: asked(parsed) } : {}),
  }
}

/** Scorers of this test that started something. */
const prepared: PreparedScorer[] = []
afterAll(() => Promise.all(prepared.map((scorer) => scorer.close?.())))

function prepare(name: ScorerName, options: ScorerOptions): PreparedScorer {
  const scorer = prepareScorer(name, options, tools)
  prepared.push(scorer)
  return scorer
}

interface Example {
  readonly options: ScorerOptions
  readonly right: readonly Sample[]
  readonly wrong: readonly Sample[]
  readonly refused: readonly ScorerOptions[]
  /** What a judge answers about a sample; by default there is no judge. */
  readonly answers?: (sample: Sample) => readonly string[]
}

const schema = { type: 'object', required: ['a'], properties: { a: { type: 'integer' } } }

/** One row a scorer: forgetting one is a type error. */
const examples: Readonly<Record<ScorerName, Example>> = {
  exact: {
    options: { expected: 'answer' },
    right: [sample(' yes\n', { answer: 'yes' })],
    wrong: [sample('no', { answer: 'yes' }), sample('no', {})],
    refused: [{ expected: 3 }],
  },
  checks: {
    options: {},
    right: [
      sample('Paris is large', { checks: [{ check: 'starts-with', value: ['Paris', 'paris'] }] }),
      sample('yes', { checks: [{ check: 'equals', value: 'YES', ignoreCase: true }] }),
      sample('a b', {
        checks: [
          { check: 'contains-all', value: ['a', 'b'] },
          { check: 'matches', value: '^a\\s' },
        ],
      }),
      sample('no', { checks: [{ check: 'contains-any', value: ['x', 'y'], not: true }] }),
      sample('{"b":1,"a":[2]}', { checks: [{ check: 'json' }, { check: 'json-equals', value: { a: [2], b: 1 } }] }),
      sample('{"a":1}', { checks: [{ check: 'json-schema', value: schema }] }),
    ],
    wrong: [
      sample('no', {}),
      sample('no', { checks: [] }),
      sample('no', { checks: [{ check: 'guess' }] }),
      sample('no', { checks: ['equals'] }),
      sample('no', { checks: [{ check: 'equals' }] }),
      sample('no', { checks: [{ check: 'equals', not: true }] }),
      sample('yes ', { checks: [{ check: 'equals', value: 'yes' }] }),
      sample('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!', { checks: [{ check: 'matches', value: '^(a+)+$' }] }),
      sample('{"a":"1"}', { checks: [{ check: 'json-schema', value: schema }] }),
      sample('text', { checks: [{ check: 'json' }] }),
    ],
    refused: [{ expected: 3 }],
  },
  regex: {
    options: { pattern: '^order \\d+$', flags: 'gi' },
    right: [sample('Order 12'), sample('order 7')],
    wrong: [sample('order x')],
    refused: [{}, { pattern: '(' }, { pattern: '(a+)+$' }, { pattern: '(?=a)b' }, { pattern: 'a', flags: 'q' }],
  },
  field: {
    options: { path: 'report.resolved', expected: 'resolved' },
    right: [
      sample('{"report":{"resolved":true}}', { resolved: true }),
      sample('{"report":{"resolved":{"b":[1],"a":2}}}', { resolved: { a: 2, b: [1] } }),
    ],
    wrong: [
      sample('{"report":{"resolved":"true"}}', { resolved: true }),
      sample('{"report":{"resolved":[1]}}', { resolved: { 0: 1 } }),
      sample('{"report":{}}', { resolved: true }),
      sample('{"report":{}}', {}),
      sample('not JSON', { resolved: true }),
    ],
    refused: [{}, { path: '' }],
  },
  'json-schema': {
    options: {},
    right: [sample('{"a":1}', {}, schema), sample('[]')],
    wrong: [sample('{"a":"1"}', {}, schema), sample('{"a":', {}, schema), sample('text')],
    refused: [{ schema: 'text' }, { schema: [] }],
  },
  'numeric-tolerance': {
    options: { path: 'csat', absolute: 0.5, relative: 0.1 },
    right: [sample('{"csat":4.5}', { csat: 4 }), sample('{"csat":18.1}', { csat: 20 })],
    wrong: [
      sample('{"csat":4.6}', { csat: 4 }),
      sample('{"csat":"4"}', { csat: 4 }),
      sample('{}', { csat: 4 }),
      sample('{"csat":4}', {}),
    ],
    refused: [{}, { path: 'csat', absolute: -1 }, { path: 'csat', relative: Number.NaN }],
  },
  fields: {
    options: { fields: { 'report.resolved': 'resolved', csat: 'csat' } },
    right: [sample('{"report":{"resolved":true},"csat":4}', { resolved: true, csat: 4 }), sample('{"csat":null}', {})],
    wrong: [sample('{"csat":3}', { resolved: true, csat: 4 }), sample('not JSON', { resolved: true, csat: 4 })],
    refused: [{}, { fields: [] }, { fields: [''] }, { fields: ['a', 'a'] }, { fields: { a: 3 } }, { fields: 'a' }],
  },
  set: {
    options: { path: 'topics', ignoreCase: true },
    right: [
      sample('{"topics":["Bags","seats"]}', { topics: ['seats', 'bags'] }),
      sample('{"topics":[]}', { topics: [] }),
    ],
    wrong: [
      sample('{"topics":["meals"]}', { topics: ['bags'] }),
      sample('{"topics":[]}', { topics: ['bags'] }),
      sample('{"topics":"bags"}', { topics: ['bags'] }),
      sample('{"topics":["bags"]}', {}),
      sample('text', { topics: ['bags'] }),
    ],
    refused: [{ measure: 'accuracy' }, { path: '' }, { path: 'a', separator: ',' }, { ignoreCase: 'yes' }],
  },
  similarity: {
    options: { measure: 'rouge-l', path: 'summary', ignoreCase: true },
    right: [sample('{"summary":"A seat, booked."}', { summary: 'a seat booked' })],
    wrong: [sample('{"summary":"abc"}', { summary: 'xyz' }), sample('{}', { summary: 'x' }), sample('{"summary":"x"}')],
    refused: [{ measure: 'embedding' }, { path: '' }, { ignoreCase: 1 }],
  },
  judge: {
    options: { judge: 'strict', rubric: 'Be strict.', repeats: 3, combine: 'median' },
    right: [sample('good')],
    wrong: [sample('bad')],
    answers: ({ text }) => Array(3).fill(`{"score":${text === 'good' ? 1 : 0},"reason":"it is ${text}"}`),
    refused: [
      {},
      { judge: 'nobody' },
      { judge: 'blind' },
      { judge: 'strict', repeats: 10 },
      { judge: 'strict', repeats: 1.5 },
      { judge: 'strict', combine: 'max' },
      { judge: 'strict', rubric: 'x'.repeat(20_001) },
    ],
  },
  module: {
    options: { source: "({ text, expected }) => text === expected.text ? 1 : { value: 0, note: 'not the text' }" },
    right: [sample('a', { text: 'a' })],
    wrong: [sample('b', { text: 'a' })],
    refused: [
      {},
      { source: '(' },
      { source: 'const a = 1' },
      { source: '() => 1', timeoutMs: 1 },
      { source: `() => '${'x'.repeat(50_000)}'` },
    ],
  },
}

describe.each(Object.keys(scorers) as ScorerName[])('the scorer %s', (name) => {
  const example = examples[name]
  it('carries the name it is registered under, and explains each option', () => {
    expect(scorers[name].name).toBe(name)
    for (const text of Object.values(scorers[name].options)) expect(text.length).toBeGreaterThan(10)
  })
  const { answers = () => [] } = example
  const score = async (one: Sample): Promise<Score> => prepare(name, example.options).score(one, answers(one))
  it('gives 1 to what is right', async () => {
    for (const one of example.right) expect(await score(one)).toMatchObject({ value: 1 })
  })
  it('gives 0 or little to what is wrong, and says why', async () => {
    for (const one of example.wrong) {
      expect(await score(one)).toMatchObject({ value: 0, note: expect.stringMatching(/.{5,}/) })
    }
  })
  it('scores the same sample the same way again', async () => {
    const again = prepare(name, example.options)
    for (const one of [...example.right, ...example.wrong]) {
      expect(await again.score(one, answers(one))).toEqual(await score(one))
    }
  })
  it('has figures of its parts, and only then parts', async () => {
    const { figures } = prepare(name, example.options)
    const scores = await Promise.all([...example.right, ...example.wrong].map(score))
    const parts = scores.flatMap((one) => ('value' in one && one.parts ? Object.keys(one.parts) : []))
    expect(parts.length > 0).toBe(figures !== undefined)
    const told = figures?.([...new Set(parts)].sort()) ?? []
    expect(new Set(told.map((figure) => figure.name)).size).toBe(told.length)
  })
  it('refuses wrong and unknown options', () => {
    for (const options of [...example.refused, { ...example.options, stray: 1 }]) {
      expect(() => prepareScorer(name, options, tools)).toThrow(expect.objectContaining({ code: 'invalid_content' }))
    }
  })
})

it('takes a schema of its own before that of the composite', () => {
  const { score } = prepare('json-schema', { schema: { type: 'array' } })
  expect(score(sample('[1]', {}, schema), [])).toMatchObject({ value: 1 })
  expect(score(sample('{"a":1}', {}, schema), [])).toMatchObject({ value: 0 })
})

it('gives the weighted share of the checks that hold', () => {
  const { score } = prepare('checks', {})
  const list = [
    { check: 'contains-any', value: 'Paris', weight: 3 },
    { check: 'contains-any', value: 'Rome' },
  ]
  expect(score(sample('Paris', { checks: list }), [])).toMatchObject({ value: 0.75 })
  expect(score(sample('Rome', { checks: list }), [])).toMatchObject({ value: 0.25 })
})

it('refuses a scorer that does not exist, and names those that do', () => {
  expect(() => prepareScorer('guess', {}, tools)).toThrow(/known are: exact, checks, regex/)
  expect(() => prepareScorer('toString', {}, tools)).toThrow(/No scorer/)
})
