import fc from 'fast-check'
import { isRecord } from '../../src/domain/diff'

export type Schema = Readonly<Record<string, unknown>>

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
/** Two schemas that say a little different things about one value. */
export const edit = fc.oneof(...ways.map((way) => fc.tuple(way, way)))

function bounds(...keys: readonly [string, string]): fc.Arbitrary<Schema> {
  const bound = fc.integer({ min: 0, max: 3 })
  return fc.record({ [keys[0]]: bound, [keys[1]]: bound }, { requiredKeys: [] })
}

export const schemas: fc.Arbitrary<Schema> = fc.letrec<{ schema: Schema }>((tie) => ({
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

/** Values that such schemas tell apart. */
export const jsonValues = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    fc.constantFrom<unknown>(0, 1, 2, 3, 0.5, '', 'a', 'ab', 'abc', true, null),
    fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), tie('value'), { noNullPrototype: true, maxKeys: 3 }),
    fc.array(tie('value'), { maxLength: 2 }),
  ),
})).value

/** What a reader of the old outputs sees of a value: keys that the old schema does not know are not looked at. */
export function asReadBy(schema: unknown, value: unknown): unknown {
  if (!isRecord(schema)) return value
  if (Array.isArray(value)) return value.map((item) => asReadBy(schema.items, item))
  if (!isRecord(value) || !isRecord(schema.properties)) return value
  const { properties } = schema
  const known = Object.entries(value).filter(([key]) => Object.hasOwn(properties, key))
  return Object.fromEntries(known.map(([key, part]) => [key, asReadBy(properties[key], part)]))
}
