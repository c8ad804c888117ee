import Ajv, { type ErrorObject, type Options, type ValidateFunction } from 'ajv'
import Ajv2020 from 'ajv/dist/2020'
import addFormats from 'ajv-formats'
import type { SchemaContent } from '../domain/contents'
import { isMultipleOf } from '../domain/decimal'
import { compilePattern } from '../domain/pattern'
import { dialectOf, draft07 } from './schema-dialect'
import { requireHarmless } from './schema-harmless'
import { SchemaFault } from './schema-inline'

/** One place where an output does not fit its schema. */
export interface SchemaMismatch {
  /** JSON pointer into the output. */
  readonly path: string
  readonly message: string
}

/** What is wrong with a value; empty where it fits. */
export type SchemaCheck = (value: unknown) => readonly SchemaMismatch[]

const maxMismatches = 20

/** Contents are immutable, so each is compiled once for as long as somebody holds it. */
const compiled = new WeakMap<SchemaContent, SchemaCheck>()

/** A check that never throws for a value. Throws `SchemaFault` for a schema that is malformed or hostile. */
export function compileSchema(schema: SchemaContent): SchemaCheck {
  const known = compiled.get(schema)
  if (known !== undefined) return known
  requireHarmless(schema)
  const validate = compileWithAjv(schema)
  const check: SchemaCheck = (value) => mismatches(validate, value)
  compiled.set(schema, check)
  return check
}

/** A pattern in linear time. The code is for stand-alone validators, which are not made. */
const linear = Object.assign((pattern: string, flags: string) => compilePattern(pattern, flags), { code: 'new RegExp' })

const options: Options = {
  allErrors: false,
  inlineRefs: false,
  strict: true,
  strictTypes: false,
  strictTuples: false,
  strictRequired: false,
  allowUnionTypes: true,
  allowMatchingProperties: true,
  // A key such as `toString` is there only where the output has it.
  ownProperties: true,
  code: { regExp: linear },
  addUsedSchema: false,
  logger: false,
}

/** One validator a dialect: setting one up costs a hundred times what compiling a schema does. */
const validators = new Map<string, Ajv>()

function validatorOf(dialect: string): Ajv {
  const known = validators.get(dialect)
  if (known !== undefined) return known
  const fresh = dialect === draft07 ? new Ajv(options) : new Ajv2020(options)
  addFormats(fresh)
  // Exact as decimals: the quotient of two doubles calls 19.99 no multiple of 0.01.
  fresh.removeKeyword('multipleOf')
  fresh.addKeyword({
    keyword: 'multipleOf',
    type: 'number',
    schemaType: 'number',
    validate: (divisor: number, value: number) => isMultipleOf(value, divisor),
    error: { message: ({ schema }) => `must be a multiple of ${schema}` },
  })
  validators.set(dialect, fresh)
  return fresh
}

/** References are by pointer, so its own `$id` is not needed, and one that names the meta-schema would take its place. */
const schemaId = 'urn:sluice:schema'

function compileWithAjv(content: SchemaContent): ValidateFunction {
  const ajv = validatorOf(dialectOf(content))
  const schema = { ...content, $id: schemaId }
  try {
    return ajv.compile(schema)
  } catch (error) {
    throw new SchemaFault(`does not compile: ${(error as Error).message}`)
  } finally {
    // The validator keeps every schema it compiled; contents come and go, so it must not.
    ajv.removeSchema(schema)
  }
}

function mismatches(validate: ValidateFunction, value: unknown): readonly SchemaMismatch[] {
  try {
    if (validate(value)) return []
    return (validate.errors ?? []).slice(0, maxMismatches).map(mismatchOf)
  } catch (error) {
    if (error instanceof RangeError) return [{ path: '', message: 'is nested too deeply' }]
    throw error
  }
}

function mismatchOf({ instancePath, message, params }: ErrorObject): SchemaMismatch {
  const extra = typeof params.additionalProperty === 'string' ? `: ${params.additionalProperty}` : ''
  return { path: instancePath, message: `${message ?? 'does not fit'}${extra}` }
}
