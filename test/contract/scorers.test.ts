import { compileSchema } from '../../src/kinds/schema-compile'
import { prepareScorer, type ScorerName, scorers } from '../../src/scorers'
import type { Sample, ScorerOptions } from '../../src/scorers/scorer'

const tools = { compileSchema }
const sample = (text: string, expected: Sample['expected'] = {}, schema?: Sample['schema']): Sample => {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    parsed = undefined
  }
  return { text, expected, ...(parsed === undefined ? {} : { parsed }), ...(schema ? { schema } : {}) }
}

interface Example {
  readonly options: ScorerOptions
  readonly right: readonly Sample[]
  readonly wrong: readonly Sample[]
  readonly refused: readonly ScorerOptions[]
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
    refused: [{}, { pattern: '(' }],
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
}

describe.each(Object.keys(scorers) as ScorerName[])('the scorer %s', (name) => {
  const example = examples[name]
  it('carries the name it is registered under, and explains each option', () => {
    expect(scorers[name].name).toBe(name)
    for (const text of Object.values(scorers[name].options)) expect(text.length).toBeGreaterThan(10)
  })
  it('gives 1 to what is right', () => {
    const score = prepareScorer(name, example.options, tools)
    for (const one of example.right) expect(score(one)).toEqual({ value: 1 })
  })
  it('gives 0 to what is wrong, and says why', () => {
    const score = prepareScorer(name, example.options, tools)
    for (const one of example.wrong) expect(score(one)).toEqual({ value: 0, note: expect.stringMatching(/.{5,}/) })
  })
  it('scores the same sample the same way again', () => {
    const score = prepareScorer(name, example.options, tools)
    for (const one of [...example.right, ...example.wrong]) expect(score(one)).toEqual(score(one))
  })
  it('refuses wrong and unknown options', () => {
    for (const options of [...example.refused, { ...example.options, stray: 1 }]) {
      expect(() => prepareScorer(name, options, tools)).toThrow(expect.objectContaining({ code: 'invalid_content' }))
    }
  })
})

it('takes a schema of its own before that of the composite', () => {
  const score = prepareScorer('json-schema', { schema: { type: 'array' } }, tools)
  expect(score(sample('[1]', {}, schema)).value).toBe(1)
  expect(score(sample('{"a":1}', {}, schema)).value).toBe(0)
})

it('gives the weighted share of the checks that hold', () => {
  const score = prepareScorer('checks', {}, tools)
  const list = [
    { check: 'contains-any', value: 'Paris', weight: 3 },
    { check: 'contains-any', value: 'Rome' },
  ]
  expect(score(sample('Paris', { checks: list })).value).toBe(0.75)
  expect(score(sample('Rome', { checks: list })).value).toBe(0.25)
})

it('refuses a scorer that does not exist, and names those that do', () => {
  expect(() => prepareScorer('guess', {}, tools)).toThrow(/known are: exact, checks, regex/)
  expect(() => prepareScorer('toString', {}, tools)).toThrow(/No scorer/)
})
