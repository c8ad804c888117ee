import { classOf } from '../../../src/domain/diff'
import { schemaKind } from '../../../src/kinds/schema'

type Schema = Readonly<Record<string, unknown>>
const itself = (digest: `sha256:${string}`) => digest
const diff = (before: Schema, after: Schema) => schemaKind.diff(before, after, itself)

const object = (properties: Schema, rest: Schema = {}): Schema => ({ type: 'object', properties, ...rest })
const closed = (properties: Schema): Schema =>
  object(properties, { required: Object.keys(properties), additionalProperties: false })
const under = ($defs: Schema, schema: Schema): Schema => ({ ...schema, $defs })
const a = (schema: Schema): Schema => object({ a: schema })

describe('an edit that people make without harm is safe', () => {
  it.each<[string, Schema, Schema]>([
    ['a key is added to a closed object', closed({ a: {} }), closed({ a: {}, b: { type: 'string' } })],
    ['a reference is written out', under({ x: { type: 'string' } }, a({ $ref: '#/$defs/x' })), a({ type: 'string' })],
    [
      'a reference with words beside it is written out',
      under({ x: { type: 'string' } }, a({ $ref: '#/$defs/x', description: 'The name' })),
      a({ type: 'string', description: 'The name' }),
    ],
    [
      'a part becomes a definition within allOf',
      a({ type: 'string', minLength: 1 }),
      under({ x: { type: 'string', minLength: 1 } }, a({ allOf: [{ $ref: '#/$defs/x' }], title: 'X' })),
    ],
    ['a recursive definition gets another name', list('node'), list('entry')],
    ['a range is written as the values in it', a({ type: 'integer', minimum: 1, maximum: 3 }), a({ enum: [1, 2, 3] })],
    [
      'values get words of their own',
      a({ enum: ['good', 'bad'] }),
      a({ oneOf: [{ const: 'good', title: 'Good' }, { const: 'bad' }] }),
    ],
    ['an optional value is there', a({ anyOf: [{ type: 'string' }, { type: 'null' }] }), a({ type: 'string' })],
    [
      'types are written as a union',
      a({ type: ['string', 'null'] }),
      a({ anyOf: [{ type: 'string' }, { type: 'null' }] }),
    ],
    [
      'a union is written as types',
      a({ anyOf: [{ type: 'string' }, { type: 'null' }] }),
      a({ type: ['string', 'null'] }),
    ],
    ['a bound becomes exclusive', a({ type: 'number', minimum: 0 }), a({ type: 'number', exclusiveMinimum: 0 })],
    ['a multiple becomes a coarser one', a({ multipleOf: 0.05 }), a({ multipleOf: 0.1 })],
    ['branches change places', a({ anyOf: [{ const: 1 }, { const: 2 }] }), a({ anyOf: [{ const: 2 }, { const: 1 }] })],
    [
      'a branch that a key tells apart gets a key',
      { oneOf: [kind('x'), kind('y')] },
      { oneOf: [kind('x', { n: {} }), kind('y')] },
    ],
    ['a branch goes', { oneOf: [kind('x'), kind('y')] }, { oneOf: [kind('x')] }],
    [
      'a tuple gets shorter bounds',
      { prefixItems: [{ type: 'number' }] },
      { prefixItems: [{ type: 'integer' }], maxItems: 1 },
    ],
    [
      'a key of a base becomes required',
      { allOf: [object({ a: {} }), object({ b: {} })] },
      { allOf: [object({ a: {} }, { required: ['a'] }), object({ b: {} })] },
    ],
    ['all parts are put together', { allOf: [object({ a: {} }), object({ b: {} })] }, object({ a: {}, b: {} })],
  ])('%s', (_, before, after) => {
    expect(diff(before, after).filter((change) => change.class === 'breaking')).toEqual([])
    expect(classOf(diff(before, after))).toBe('safe')
  })
})

describe('an edit that lets something new out breaks', () => {
  it.each<[string, Schema, Schema, string]>([
    [
      'a reference leads elsewhere though it reads the same',
      under({ x: a({ $ref: '#/$defs/y' }), y: { type: 'string' } }, { $ref: '#/$defs/x' }),
      under({ x: a({ $ref: '#/$defs/y' }), y: { type: 'number' } }, { $ref: '#/$defs/x' }),
      'type_widened',
    ],
    [
      'a recursion starts one level further down',
      under(
        { node: object({ v: { type: 'string' }, a: object({ b: { $ref: '#/$defs/node' } }) }) },
        { $ref: '#/$defs/node' },
      ),
      under(
        { node: object({ b: { $ref: '#/$defs/node' } }) },
        object({ v: { type: 'string' }, a: { $ref: '#/$defs/node' } }),
      ),
      'key_removed',
    ],
    [
      'a dependency on a key called title goes',
      { dependentRequired: { title: ['a'] } },
      { dependentRequired: {} },
      'restriction_removed',
    ],
    ['one of two lists of values goes', { const: 1, enum: [2] }, { const: 1 }, 'values_widened'],
    [
      'a new key is not what further keys are',
      object({ a: {} }, { additionalProperties: { type: 'number' } }),
      object({ a: {}, b: { type: 'string' } }, { additionalProperties: { type: 'number' } }),
      'key_described_otherwise',
    ],
    [
      'fewer items may fit',
      { contains: { type: 'integer' }, maxContains: 1 },
      { contains: { type: 'number', minimum: 3 }, maxContains: 1 },
      'restriction_removed',
    ],
    [
      'branches overlap, so that one more key makes two fit',
      { oneOf: [object({ a: {} }, { required: ['a'] }), object({ b: {} }, { required: ['b'] })] },
      { oneOf: [object({ a: {} }, { required: ['a'] }), object({ b: { type: 'string' } }, { required: ['b'] })] },
      'not_compared',
    ],
    ['a closed object in a negation is opened', { not: closed({ a: {} }) }, { not: a({}) }, 'not_compared'],
    [
      'two properties of one name in two parts',
      { allOf: [a({ minimum: 1 }), a({ maximum: 3 })] },
      { allOf: [a({ minimum: 1 })] },
      'bound_loosened',
    ],
    [
      'draft-07: items after a tuple are let in',
      { $schema: 'http://json-schema.org/draft-07/schema#', items: [{}], additionalItems: false },
      { $schema: 'http://json-schema.org/draft-07/schema#', items: [{}] },
      'values_widened',
    ],
  ])('%s', (_, before, after, rule) => {
    const breaking = diff(before, after).filter((change) => change.class === 'breaking')
    expect(breaking.map((change) => change.rule)).toContain(rule)
  })

  it('says nothing of the order of keys', () => {
    expect(diff(object({ a: {}, b: {} }), object({ b: {}, a: {} }))).toEqual([])
  })

  it('names place, change and reason in words', () => {
    const [change] = diff(object({ report: a({ type: 'integer' }) }), object({ report: a({ type: 'string' }) }))
    expect(change).toMatchObject({
      path: '/properties/report/properties/a/type',
      rule: 'type_widened',
      text: 'report.a type: "integer" → "string" (a type can occur that did not before)',
    })
  })
})

it('does a bounded amount of work on schemas that are made to be compared for ever', () => {
  // Each branch may be each of the others, so that the ways to pair them multiply with every level.
  const names = Array.from({ length: 6 }, (_, index) => `d${index}`)
  const twisted = (value: unknown) =>
    under(
      Object.fromEntries(
        names.map((name) => [
          name,
          object({
            [name]: {
              anyOf: names.map((other, index) =>
                object({ v: { const: index === 0 ? value : index }, next: { $ref: `#/$defs/${other}` } }),
              ),
            },
          }),
        ]),
      ),
      { $ref: '#/$defs/d0' },
    )
  const changes = diff(twisted('x'), twisted('y'))
  expect(classOf(changes)).toBe('breaking')
})

function list(name: string): Schema {
  return under({ [name]: object({ next: { $ref: `#/$defs/${name}` } }) }, { $ref: `#/$defs/${name}` })
}

function kind(value: string, more: Schema = {}): Schema {
  return closed({ kind: { const: value }, ...more })
}
