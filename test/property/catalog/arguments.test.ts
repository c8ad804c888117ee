import fc from 'fast-check'
import { classOf, isRecord } from '../../../src/domain/diff'
import type { Digest } from '../../../src/domain/version'
import { compileSchema } from '../../../src/kinds/schema-compile'
import { toolKind } from '../../../src/kinds/tool'
import { runs } from '../../support/effort'
import { asReadBy, edit, jsonValues, type Schema, schemas } from '../../support/schema-pairs'

const itself = (digest: Digest) => digest
const tool = (parameters: Schema) => ({ name: 'find', description: 'Finds.', parameters })
const taken = (schema: Schema) => toolKind.schema.safeParse(tool(schema)).success
const fits = (schema: Schema, value: unknown) => compileSchema(schema)(value).length === 0

/** Callers give no keys that the schema does not name; of a union nobody can say which keys these are. */
const isPlain = (schema: unknown): boolean =>
  !isRecord(schema) ||
  (['anyOf', 'allOf', 'oneOf', 'not'].every((key) => schema[key] === undefined) &&
    [schema.items, schema.additionalProperties, ...Object.values(schema.properties ?? {})].every(isPlain))

const object = (parts: Schema): Schema => ({ ...parts, type: 'object' })
const requiring = fc
  .tuple(fc.subarray(['a', 'b']), fc.subarray(['a', 'b']), fc.tuple(schemas, schemas))
  .map(([old, now, [a, b]]): [Schema, Schema] => [
    object({ properties: { a, b }, required: old }),
    object({ properties: { a, b }, required: now }),
  ])
const pairs = fc
  .oneof(
    fc.tuple(schemas, schemas).map(([before, after]): [Schema, Schema] => [object(before), object(after)]),
    edit.map(([a, b]): [Schema, Schema] => [object({ properties: { a } }), object({ properties: { a: b } })]),
    edit.map(([a, b]): [Schema, Schema] => [object({ properties: { a } }), object({ properties: { a, b } })]),
    requiring,
  )
  .filter((pair) => pair.every((schema) => taken(schema) && isPlain(schema)))

describe('the class of a change of arguments', () => {
  it('is never understated: what callers gave before a safe change is taken after it', () => {
    let safe = 0
    let compared = 0
    fc.assert(
      fc.property(pairs, fc.array(jsonValues, { minLength: 30, maxLength: 30 }), ([before, after], given) => {
        if (classOf(toolKind.diff(tool(before), tool(after), itself)) === 'breaking') return
        safe += 1
        for (const value of given.map((one) => asReadBy(before, one))) {
          if (!isRecord(value) || !fits(before, value)) continue
          compared += 1
          expect(fits(after, value)).toBe(true)
        }
      }),
      { numRuns: runs(600) },
    )
    expect(safe).toBeGreaterThan(50)
    expect(compared).toBeGreaterThan(200)
  })
})
