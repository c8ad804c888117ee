import { isRecord } from '../../domain/diff'

/** Why a Picoschema cannot be read. */
export class PicoschemaFault extends Error {}

const scalars = ['string', 'number', 'integer', 'boolean', 'null']
const maxDepth = 32

/**
 * JSON Schema of a Picoschema: `name?(type, description): …` keys with scalar types, `array`, `object`, `enum` and the
 * wildcard `(*)`. A value with a `type` or `properties` of JSON Schema is one already.
 * https://google.github.io/dotprompt/reference/picoschema/
 */
export function picoschema(value: unknown): Readonly<Record<string, unknown>> {
  if (isRecord(value) && isJsonSchema(value)) return value
  return schemaOf(value, 0)
}

/** As the reference implementation tells them apart. */
const isJsonSchema = (value: Readonly<Record<string, unknown>>): boolean =>
  (typeof value.type === 'string' && [...scalars, 'object', 'array'].includes(value.type)) || isRecord(value.properties)

function schemaOf(value: unknown, depth: number): Readonly<Record<string, unknown>> {
  if (depth > maxDepth) throw new PicoschemaFault(`it is nested deeper than ${maxDepth}`)
  if (typeof value === 'string') return scalarOf(value)
  if (!isRecord(value)) throw new PicoschemaFault(`${JSON.stringify(value)} is neither a type nor a set of keys`)
  return objectOf(value, depth)
}

function scalarOf(text: string): Readonly<Record<string, unknown>> {
  const comma = text.indexOf(',')
  const type = (comma < 0 ? text : text.slice(0, comma)).trim()
  const description = comma < 0 ? '' : text.slice(comma + 1).trim()
  const said = description === '' ? {} : { description }
  if (type === 'any') return said
  if (scalars.includes(type)) return { type, ...said }
  throw new PicoschemaFault(`${type} is no type of Picoschema; schemas of a registry have to be written out`)
}

const keyPattern = /^([^?(]+)(\?)?\s*(?:\(([^)]*)\))?$/

function objectOf(keys: Readonly<Record<string, unknown>>, depth: number): Readonly<Record<string, unknown>> {
  const properties: [string, unknown][] = []
  const required: string[] = []
  let additionalProperties: unknown = false
  for (const [written, value] of Object.entries(keys)) {
    if (written === '(*)') {
      additionalProperties = schemaOf(value, depth + 1)
      continue
    }
    const [, name = '', optional, parenthesis] = keyPattern.exec(written) ?? []
    if (name.trim() === '') throw new PicoschemaFault(`the key ${written} cannot be read`)
    const isOptional = optional !== undefined
    if (!isOptional) required.push(name.trim())
    const plain = parenthesis === undefined ? schemaOf(value, depth + 1) : parenthesized(parenthesis, value, depth)
    properties.push([name.trim(), isOptional ? orNull(plain) : plain])
  }
  return {
    type: 'object',
    properties: Object.fromEntries(properties),
    ...(required.length === 0 ? {} : { required }),
    additionalProperties,
  }
}

function parenthesized(text: string, value: unknown, depth: number): Readonly<Record<string, unknown>> {
  const comma = text.indexOf(',')
  const type = (comma < 0 ? text : text.slice(0, comma)).trim()
  const description = comma < 0 ? '' : text.slice(comma + 1).trim()
  const said = description === '' ? {} : { description }
  if (type === 'array') return { type: 'array', items: schemaOf(value, depth + 1), ...said }
  if (type === 'object') return { ...schemaOf(value, depth + 1), ...said }
  if (type === 'enum' && Array.isArray(value)) return { enum: value, ...said }
  throw new PicoschemaFault(`(${text}) is neither array, object nor enum`)
}

/** Optional properties may also be null. */
function orNull(schema: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  if (typeof schema.type === 'string') return { ...schema, type: [schema.type, 'null'] }
  if (Array.isArray(schema.enum) && !schema.enum.includes(null)) return { ...schema, enum: [...schema.enum, null] }
  return schema
}
