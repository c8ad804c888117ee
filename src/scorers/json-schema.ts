import Ajv from 'ajv'
import Ajv2020 from 'ajv/dist/2020'
import addFormats from 'ajv-formats'
import { invalidOptions, right, type Scorer, wrong } from './scorer'

/** Errors of one value that are told; the rest is left out. */
const maxErrors = 5

/** Compiles a JSON Schema (draft-07 or 2020-12, which is also taken where `$schema` is absent); gives what is wrong with a value. */
export function compileSchema(schema: Readonly<Record<string, unknown>>): (value: unknown) => readonly string[] {
  const draft07 = typeof schema.$schema === 'string' && schema.$schema.includes('draft-07')
  const ajv = new (draft07 ? Ajv : Ajv2020)({ allErrors: false, strict: false })
  addFormats(ajv)
  const validate = ajv.compile(schema)
  return (value) => {
    if (validate(value)) return []
    return (validate.errors ?? [])
      .slice(0, maxErrors)
      .map((error) => `${error.instancePath || 'the output'} ${error.message ?? 'does not fit'}`)
  }
}

/** The output is JSON that fits a schema. */
export const jsonSchema: Scorer = {
  name: 'json-schema',
  options: { schema: 'a JSON Schema; default the schema of the composite under test' },
  prepare({ schema }) {
    if (schema !== undefined && (typeof schema !== 'object' || schema === null)) {
      invalidOptions(jsonSchema.name, 'schema must be an object.')
    }
    let compiled: { readonly of: unknown; readonly validate: ReturnType<typeof compileSchema> } | undefined
    return (sample) => {
      const used = (schema as Readonly<Record<string, unknown>> | undefined) ?? sample.schema
      if (sample.parsed === undefined) return wrong('the output is not JSON')
      if (used === undefined) return right
      if (compiled?.of !== used) compiled = { of: used, validate: compileSchema(used) }
      const errors = compiled.validate(sample.parsed)
      return errors.length === 0 ? right : wrong(errors.join('; '))
    }
  },
}
