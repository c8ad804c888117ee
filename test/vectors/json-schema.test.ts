import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { schemaKind } from '../../src/kinds/schema'
import { compileSchema } from '../../src/kinds/schema-compile'

/** In the form of the JSON Schema Test Suite: every keyword that is taken, with what it has to answer. */
interface Group {
  readonly description: string
  readonly schema: Readonly<Record<string, unknown>>
  readonly tests: readonly { readonly description: string; readonly data: unknown; readonly valid: boolean }[]
}

const read = <T>(name: string): readonly T[] =>
  JSON.parse(readFileSync(join(__dirname, 'json-schema', `${name}.json`), 'utf8'))

describe.each(['draft-07', '2020-12'])('a schema of %s', (dialect) => {
  describe.each(read<Group>(dialect))('with $description', ({ schema, tests }) => {
    it.each(tests)('answers $valid to $description', ({ data, valid }) => {
      expect(schemaKind.schema.safeParse(schema).error?.issues).toBeUndefined()
      expect(compileSchema(schema)(data).length === 0).toBe(valid)
    })
  })
})

describe('a schema that validators read differently, or that we cannot judge, is refused', () => {
  it.each(read<{ description: string; schema: object; refusal: string }>('refused'))(
    '$description',
    ({ schema, refusal }) => {
      const [issue] = schemaKind.schema.safeParse(schema).error?.issues ?? []
      expect(issue?.message).toContain(refusal)
    },
  )
})
