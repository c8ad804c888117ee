import fc from 'fast-check'
import { classOf, isRecord } from '../../../src/domain/diff'
import { kindNames } from '../../../src/domain/version'
import { kindOf } from '../../../src/kinds'
import { schemaKind } from '../../../src/kinds/schema'
import { digestOf } from '../../../src/store/canonical'
import { samples } from '../../support/contents'

type Schema = Readonly<Record<string, unknown>>
const itself = (digest: `sha256:${string}`) => digest

/** Ways to say one thing about a value; two of one way differ by what an edit would change. */
const ways: readonly fc.Arbitrary<Schema>[] = [
  fc.constant({}),
  fc.constantFrom('string', 'integer', 'number', 'boolean', 'null').map((type) => ({ type })),
  fc.subarray(['string', 'integer', 'number', 'null'], { minLength: 1 }).map((type) => ({ type })),
  fc.subarray([0, 1, 2, 'a', null], { minLength: 1 }).map((options) => ({ enum: options })),
  fc.constantFrom(0, 1, 'a').map((value) => ({ const: value })),
  bounds('minimum', 'maximum'),
  bounds('exclusiveMinimum', 'exclusiveMaximum'),
  bounds('minLength', 'maxLength'),
]
const leaf = fc.oneof(...ways)
function bounds(...keys: readonly [string, string]): fc.Arbitrary<Schema> {
  const bound = fc.integer({ min: 0, max: 3 })
  return fc.record({ [keys[0]]: bound, [keys[1]]: bound }, { requiredKeys: [] })
}

const schemas: fc.Arbitrary<Schema> = fc.letrec<{ schema: Schema }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 2, depthSize: 'small' },
    leaf,
    fc
      .record(
        {
          properties: fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('schema'), { noNullPrototype: true }),
          required: fc.subarray(['a', 'b', 'c']),
          additionalProperties: fc.oneof(fc.boolean(), tie('schema')),
        },
        { requiredKeys: [] },
      )
      .map((parts) => ({ type: 'object', ...parts })),
    tie('schema').map((items) => ({ type: 'array', items })),
    fc.array(tie('schema'), { minLength: 1, maxLength: 2 }).map((anyOf) => ({ anyOf })),
    fc.array(tie('schema'), { minLength: 1, maxLength: 2 }).map((allOf) => ({ allOf })),
    fc.array(tie('schema'), { minLength: 1, maxLength: 2 }).map((oneOf) => ({ oneOf })),
    tie('schema').map((not) => ({ not })),
  ),
})).schema

const taken = (schema: Schema) => schemaKind.schema.safeParse(schema).success

describe('the class of a schema change', () => {
  it('is breaking only where the interface moved', () => {
    fc.assert(
      fc.property(
        fc.tuple(schemas, schemas).filter(([a, b]) => taken(a) && taken(b)),
        ([before, after]) => {
          const same = [before, after].map((schema) => digestOf(schemaKind.interfaceOf(schema, itself)))
          if (same[0] === same[1]) expect(classOf(schemaKind.diff(before, after, itself))).not.toBe('breaking')
        },
      ),
      { numRuns: 300 },
    )
  })

  it('is none for the same schema, and a difference for any other', () => {
    fc.assert(
      fc.property(
        fc.tuple(schemas, schemas).filter(([a, b]) => taken(a) && taken(b)),
        ([before, after]) => {
          expect(schemaKind.diff(before, structuredClone(before), itself)).toEqual([])
          const isEmpty = schemaKind.diff(before, after, itself).length === 0
          expect(isEmpty).toBe(digestOf(before) === digestOf(after))
        },
      ),
      { numRuns: 300 },
    )
  })
})

/** The same value with its keys in another order, at every depth. */
function reordered(value: unknown, seed: number): unknown {
  if (Array.isArray(value)) return value.map((item) => reordered(item, seed))
  if (!isRecord(value)) return value
  const keys = Object.keys(value).sort((a, b) => digestOf([seed, a]).localeCompare(digestOf([seed, b])))
  return Object.fromEntries(keys.map((key) => [key, reordered(value[key], seed)]))
}

describe.each(kindNames)('a %s', (name) => {
  const kind = kindOf(name)
  const { before } = samples[name]

  it('has a digest that depends neither on the order of keys nor on white space', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat({ max: 8 }), (seed, indent) => {
        const written = JSON.stringify(reordered(before, seed), undefined, indent)
        const parsed = kind.schema.parse(JSON.parse(written))
        expect(digestOf(parsed)).toBe(digestOf(before))
        expect(kind.diff(before, parsed, itself)).toEqual([])
      }),
      { numRuns: 30 },
    )
  })
})
