import { invalidOptions, right, type Scorer, wrong } from './scorer'

/** Mismatches of one output that are told. */
const maxToldMismatches = 5

/** The output is JSON that fits a schema, or what its composite asks for. */
export const jsonSchema: Scorer = {
  name: 'json-schema',
  options: { schema: 'a JSON Schema; default what the composite under test asks: its schema, its tools' },
  prepare({ schema: own }, { compileSchema }) {
    if (own !== undefined && (typeof own !== 'object' || own === null || Array.isArray(own))) {
      invalidOptions(jsonSchema.name, 'schema must be an object.')
    }
    return {
      score({ parsed, mismatches: ofComposite = [] }) {
        const schema = own as Readonly<Record<string, unknown>> | undefined
        if (parsed === undefined) return wrong('the output is not JSON')
        const found = schema === undefined ? ofComposite : compileSchema(schema)(parsed)
        const mismatches = found.slice(0, maxToldMismatches)
        if (mismatches.length === 0) return right
        return wrong(mismatches.map(({ path, message }) => `${path || 'the output'} ${message}`).join('; '))
      },
    }
  },
}
