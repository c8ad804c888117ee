import Ajv, { type ErrorObject, type Options, type ValidateFunction } from 'ajv'
import Ajv2020 from 'ajv/dist/2020'
import addFormats from 'ajv-formats'
import type { SchemaContent } from '../domain/contents'
import { isRecord } from '../domain/diff'
import { inlineReferences, SchemaFault } from './schema-inline'
import { patternFault } from './schema-pattern'

/** One place where an output does not fit its schema. */
export interface SchemaMismatch {
  /** JSON pointer into the output. */
  readonly path: string
  readonly message: string
}

/** What is wrong with a value; empty where it fits. */
export type SchemaCheck = (value: unknown) => readonly SchemaMismatch[]

export const draft07 = 'http://json-schema.org/draft-07/schema#'
export const draft2020 = 'https://json-schema.org/draft/2020-12/schema'

const maxSchemaBytes = 256 * 1024
const maxSchemaDepth = 40
const maxSchemaNodes = 5000
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

/** Which dialect a schema is written in; 2020-12 where it does not say. Throws `SchemaFault` for any other. */
export function dialectOf(schema: SchemaContent): typeof draft07 | typeof draft2020 {
  const { $schema } = schema
  if ($schema === undefined) return draft2020
  const dialect = typeof $schema === 'string' ? $schema.replace(/#$/, '') : $schema
  if (dialect === draft2020) return draft2020
  if (dialect === draft07.replace(/#$/, '')) return draft07
  throw new SchemaFault('is of a dialect other than draft-07 and 2020-12')
}

const options: Options = {
  allErrors: false,
  inlineRefs: false,
  strict: true,
  strictTypes: false,
  strictTuples: false,
  strictRequired: false,
  allowUnionTypes: true,
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
  validators.set(dialect, fresh)
  return fresh
}

/** References are by pointer, so the `$id` is not needed, and one that names the meta-schema would take its place. */
function compileWithAjv({ $id: _id, ...schema }: SchemaContent): ValidateFunction {
  const ajv = validatorOf(dialectOf(schema))
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

/** Bounds that hold before any work in proportion to what the schema describes. */
function requireHarmless(schema: SchemaContent): void {
  if (JSON.stringify(schema).length > maxSchemaBytes) throw new SchemaFault(`is larger than ${maxSchemaBytes} bytes`)
  dialectOf(schema)
  requireHarmlessNode(schema, 0, { nodes: 0 })
  inlineReferences(schema)
}

/** Keywords that would name the schema, or a part of it, anew: references are by pointer only. */
const refusedKeywords = [
  '$async',
  '$anchor',
  '$dynamicRef',
  '$dynamicAnchor',
  '$recursiveRef',
  '$recursiveAnchor',
  '$data',
]

function requireHarmlessNode(node: unknown, depth: number, walk: { nodes: number }): void {
  walk.nodes += 1
  if (depth > maxSchemaDepth) throw new SchemaFault(`is nested deeper than ${maxSchemaDepth}`)
  if (walk.nodes > maxSchemaNodes) throw new SchemaFault(`has more than ${maxSchemaNodes} nodes`)
  if (Array.isArray(node)) {
    for (const item of node) requireHarmlessNode(item, depth + 1, walk)
    return
  }
  if (!isRecord(node)) return
  for (const [key, value] of Object.entries(node)) {
    if (key === '__proto__') throw new SchemaFault('names the reserved key __proto__')
    if (refusedKeywords.includes(key)) throw new SchemaFault(`uses ${key}, which is not taken`)
    if (key === '$id' && depth > 0 && typeof value === 'string') throw new SchemaFault('has a $id below the root')
    if (key === 'pattern' && typeof value === 'string') requirePattern(value)
    if (key === 'patternProperties' && isRecord(value)) for (const name of Object.keys(value)) requirePattern(name)
    requireHarmlessNode(value, depth + 1, walk)
  }
}

function requirePattern(pattern: string): void {
  const fault = patternFault(pattern)
  if (fault !== undefined) throw new SchemaFault(`has a pattern that is not taken (${pattern.slice(0, 80)}): ${fault}`)
}
