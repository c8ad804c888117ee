import { invalidOptions, right, type Scorer, wrong } from './scorer'

/** Mismatches of one output that are told. */
const maxToldMismatches = 5

/** The output is JSON that fits a schema. */
export const jsonSchema: Scorer = {
  name: 'json-schema',
  options: { schema: 'a JSON Schema; default the schema of the composite under test' },
  prepare({ schema: own }, { compileSchema }) {
    if (own !== undefined && (typeof own !== 'object' || own === null || Array.isArray(own))) {
      invalidOptions(jsonSchema.name, 'schema must be an object.')
    }
    return {
      score({ parsed, schema: ofComposite }) {
        const schema = (own as Readonly<Record<string, unknown>> | undefined) ?? ofComposite
        if (parsed === undefined) return wrong('the output is not JSON')
        if (schema === undefined) return right
        const mismatches = compileSchema(schema)(parsed).slice(0, maxToldMismatches)
        if (mismatches.length === 0) return right
        return wrong(mismatches.map(({ path, message }) => `${path || 'the output'} ${message}`).join('; '))
      },
    }
  },
}
