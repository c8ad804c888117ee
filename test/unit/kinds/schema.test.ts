import { classOf } from '../../../src/domain/diff'
import { schemaKind } from '../../../src/kinds/schema'
import { compileSchema } from '../../../src/kinds/schema-compile'

const lookup = (digest: `sha256:${string}`) => digest
const classBetween = (before: object, after: object) =>
  classOf(schemaKind.diff(before as Record<string, unknown>, after as Record<string, unknown>, lookup))

const object = (properties: object, rest: object = {}) => ({ type: 'object', properties, ...rest })

describe('the class of a schema change, for those who read outputs', () => {
  const csat = object({ csat: { type: 'integer', minimum: 1, maximum: 5 } }, { required: ['csat'] })

  it.each<[string, object, object]>([
    [
      'an optional key is added',
      csat,
      object({ ...csat.properties, note: { type: 'string' } }, { required: ['csat'] }),
    ],
    ['a key becomes always present', object({ a: {} }), object({ a: {} }, { required: ['a'] })],
    ['a description changes', csat, { ...csat, description: 'One report' }],
    ['an enum loses a value', object({ a: { enum: [1, 2] } }), object({ a: { enum: [1] } })],
    ['a number is always whole', object({ a: { type: 'number' } }), object({ a: { type: 'integer' } })],
    ['null no longer occurs', object({ a: { type: ['string', 'null'] } }), object({ a: { type: 'string' } })],
    ['bounds tighten', object({ a: { minimum: 1, maximum: 9 } }), object({ a: { minimum: 2, maximum: 8 } })],
    ['unknown keys are closed off', object({ a: {} }), object({ a: {} }, { additionalProperties: false })],
    [
      'a union loses a branch',
      object({ a: { anyOf: [{ const: 1 }, { const: 2 }] } }),
      object({ a: { anyOf: [{ const: 2 }] } }),
    ],
    ['a union is asked for', object({ a: {} }), object({ a: { anyOf: [{ const: 1 }] } })],
    ['an unused definition goes', { ...csat, $defs: { x: {} } }, csat],
    [
      'a description within oneOf changes',
      object({ a: { oneOf: [{ const: 1 }] } }),
      object({ a: { oneOf: [{ const: 1, title: 'One' }] } }),
    ],
    ['the dialect is written down', csat, { $schema: 'https://json-schema.org/draft/2020-12/schema', ...csat }],
  ])('is safe where %s', (_, before, after) => {
    expect(classBetween(before, after)).toBe('safe')
  })

  it.each<[string, object, object]>([
    ['a key goes', csat, object({}, { required: [] })],
    ['a key may be absent', csat, object(csat.properties)],
    ['a type changes', csat, object({ csat: { type: 'string' } }, { required: ['csat'] })],
    ['a type is added', object({ a: { type: 'string' } }), object({ a: { type: ['string', 'null'] } })],
    ['an enum gains a value', object({ a: { enum: [1] } }), object({ a: { enum: [1, 2] } })],
    ['an enum goes', object({ a: { enum: [1] } }), object({ a: {} })],
    ['a bound loosens', csat, object({ csat: { type: 'integer', minimum: 1, maximum: 10 } }, { required: ['csat'] })],
    [
      'a whole number may have decimals',
      csat,
      object({ csat: { type: 'number', minimum: 1, maximum: 5 } }, { required: ['csat'] }),
    ],
    ['unknown keys are let in', object({ a: {} }, { additionalProperties: false }), object({ a: {} })],
    [
      'a union gains a branch',
      object({ a: { anyOf: [{ const: 1 }] } }),
      object({ a: { anyOf: [{ const: 1 }, { const: 2 }] } }),
    ],
    ['a union goes', object({ a: { anyOf: [{ const: 1 }] } }), object({ a: {} })],
    ['items change', object({ a: { items: { type: 'string' } } }), object({ a: { items: { type: 'number' } } })],
    ['a pattern changes', object({ a: { pattern: '^a$' } }), object({ a: { pattern: '^b$' } })],
    [
      'what oneOf means changes',
      object({ a: { oneOf: [{ const: 1 }, { type: 'number' }] } }),
      object({ a: { oneOf: [{ type: 'number' }] } }),
    ],
    ['a definition that is used changes', withMood(['good']), withMood(['good', 'bad'])],
    ['a recursive definition changes', tree({ type: 'string' }), tree({ type: 'number' })],
    ['the dialect changes', csat, { $schema: 'http://json-schema.org/draft-07/schema#', ...csat }],
  ])('is breaking where %s', (_, before, after) => {
    expect(classBetween(before, after)).toBe('breaking')
  })

  it('sees through the names of definitions', () => {
    const renamed = { ...object({ mood: { $ref: '#/$defs/other' } }), $defs: { other: { enum: ['good'] } } }
    expect(classBetween(withMood(['good']), renamed)).toBe('safe')
  })

  it('names the key that breaks', () => {
    const [change] = schemaKind.diff(csat, object({}, { required: ['csat'] }), lookup)
    expect(change).toMatchObject({ path: '/properties/csat', change: 'removed', class: 'breaking' })
  })
})

function withMood(moods: readonly string[]) {
  return { ...object({ mood: { $ref: '#/$defs/mood' } }), $defs: { mood: { enum: moods } } }
}

function tree(name: object) {
  const node = object({ name, children: { type: 'array', items: { $ref: '#/$defs/node' } } })
  return { $ref: '#/$defs/node', $defs: { node } }
}

describe('a compiled schema', () => {
  it.each([undefined, 'http://json-schema.org/draft-07/schema#', 'https://json-schema.org/draft/2020-12/schema'])(
    'checks outputs in the dialect %s',
    ($schema) => {
      const check = compileSchema({ ...($schema === undefined ? {} : { $schema }), ...tree({ type: 'string' }) })
      expect(check({ name: 'a', children: [{ name: 'b' }] })).toEqual([])
      expect(check({ name: 'a', children: [{ name: 7 }] })).toEqual([
        { path: '/children/0/name', message: 'must be string' },
      ])
    },
  )

  it('is not disturbed by another that takes the name of the meta-schema', () => {
    const $schema = 'http://json-schema.org/draft-07/schema#'
    for (const type of ['string', 'number']) {
      const check = compileSchema({ $schema, $id: 'http://json-schema.org/draft-07/schema', type })
      expect(check('a')).toHaveLength(type === 'string' ? 0 : 1)
    }
    expect(schemaKind.schema.safeParse({ $schema, type: 'nonsense' }).success).toBe(false)
  })

  it('answers a value nested without end instead of failing', () => {
    const check = compileSchema(tree({ type: 'string' }))
    let value: object = { name: 'leaf' }
    for (let depth = 0; depth < 100_000; depth += 1) value = { children: [value] }
    expect(check(value)).toEqual([{ path: '', message: 'is nested too deeply' }])
  })
})

describe('a hostile or mistaken schema is refused', () => {
  const doubled = (depth: number) => ({
    $defs: Object.fromEntries(
      Array.from({ length: depth }, (_, level) => [
        `d${level}`,
        level === 0
          ? { type: 'string' }
          : { allOf: [{ $ref: `#/$defs/d${level - 1}` }, { $ref: `#/$defs/d${level - 1}` }] },
      ]),
    ),
    $ref: `#/$defs/d${depth - 1}`,
  })
  const nested = (depth: number): object => (depth === 0 ? {} : { items: nested(depth - 1) })

  it.each<[string, object]>([
    ['a remote reference', object({ a: { $ref: 'https://example.com/a.json' } })],
    ['a dangling reference', object({ a: { $ref: '#/$defs/a' } })],
    ['a reference to an inherited property', object({ a: { $ref: '#/constructor' } })],
    ['a reference to itself without end', { $ref: '#' }],
    ['a union with itself', { anyOf: [{ $ref: '#' }, { type: 'string' }] }],
    ['two recursions for one value', object({ a: { anyOf: [{ $ref: '#' }, { allOf: [{ $ref: '#' }] }] } })],
    ['definitions that double twenty times', doubled(20)],
    ['a pattern that backtracks', object({ a: { pattern: '^(a+)+$' } })],
    ['a pattern with overlapping choices', object({ a: { pattern: '^(a|a)*$' } })],
    ['a pattern with a back-reference', object({ a: { pattern: '(a)\\1' } })],
    ['a pattern that is no pattern', object({ a: { pattern: '(' } })],
    ['a pattern property that backtracks', { patternProperties: { '(x+)*': {} } }],
    ['depth', nested(60)],
    ['size', object({ a: { description: 'x'.repeat(300_000) } })],
    ['a misspelt keyword', object({ a: { typ: 'string' } })],
    ['an unknown type', object({ a: { type: 'text' } })],
    ['an unknown format', object({ a: { format: 'telephone' } })],
    ['an asynchronous schema', { $async: true, type: 'object' }],
    ['another dialect', { $schema: 'http://json-schema.org/draft-04/schema#' }],
    ['a dynamic reference', object({ a: { $dynamicRef: '#a' } })],
  ])('%s', (_, schema) => {
    expect(schemaKind.schema.safeParse(schema).success).toBe(false)
  })

  it('while ordinary patterns and formats are taken', () => {
    const plain = object({
      a: { pattern: '^[A-Z]{3}-\\d+$' },
      b: { format: 'date-time' },
      c: { pattern: '^(yes|no)$' },
    })
    expect(schemaKind.schema.safeParse(plain).success).toBe(true)
  })
})
