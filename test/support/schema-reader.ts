import Ajv from 'ajv'
import Ajv2020 from 'ajv/dist/2020'
import { isRecord } from '../../src/domain/diff'
import type { Schema } from './schema-edits'

/** Keywords whose parts say what fits, so that to read them openly only lets more in. */
const single = ['items', 'additionalItems', 'additionalProperties', 'unevaluatedProperties', 'then', 'else']
const lists = ['allOf', 'anyOf', 'prefixItems', 'items']
const maps = ['properties', 'patternProperties', 'dependentSchemas', 'dependencies']

/**
 * The schema as a reader of outputs takes it, who ignores keys that he does not know: what closes an object counts only
 * where it may rule something in (`not`, `if`, a bounded `contains`, and which branches of `oneOf` fit).
 */
export function asReader(schema: Schema): Schema {
  const home = schema.definitions === undefined ? '$defs' : 'definitions'
  const named = isRecord(schema[home]) ? schema[home] : {}
  const { [home]: _home, ...root } = schema
  const strict = (node: unknown): unknown => redirect(node, `#/${home}/whole`)
  return {
    ...(open(root, strict) as object),
    [home]: {
      whole: strict(without(root, '$schema')),
      ...Object.fromEntries(Object.entries(named).map(([name, node]) => [name, strict(node)])),
      ...Object.fromEntries(Object.entries(named).map(([name, node]) => [`${name}-open`, open(node, strict)])),
    },
  }
}

const without = (node: Schema, key: string): Schema =>
  Object.fromEntries(Object.entries(node).filter(([name]) => name !== key))

/** References to the whole lead to its strict copy. */
function redirect(node: unknown, whole: string): unknown {
  if (Array.isArray(node)) return node.map((item) => redirect(item, whole))
  if (!isRecord(node)) return node
  return Object.fromEntries(
    Object.entries(node).map(([key, value]) => [key, key === '$ref' && value === '#' ? whole : redirect(value, whole)]),
  )
}

function open(node: unknown, strict: (node: unknown) => unknown): unknown {
  if (!isRecord(node)) return node
  const opened: Record<string, unknown> = {}
  const unions: unknown[] = []
  for (const [key, value] of Object.entries(node)) {
    if (['additionalProperties', 'unevaluatedProperties'].includes(key) && value === false) continue
    if (key === '$ref') opened.$ref = value === '#' ? '#' : `${value}-open`
    else if (key === 'oneOf' && Array.isArray(value)) unions.push(...readOneOf(value, strict))
    else if (key === 'contains') opened.contains = node.maxContains === undefined ? open(value, strict) : strict(value)
    else if (lists.includes(key) && Array.isArray(value)) opened[key] = value.map((part) => open(part, strict))
    else if (single.includes(key)) opened[key] = open(value, strict)
    else if (maps.includes(key) && isRecord(value)) {
      opened[key] = Object.fromEntries(
        Object.entries(value).map(([name, part]) => [name, Array.isArray(part) ? part : open(part, strict)]),
      )
    } else opened[key] = ['not', 'if'].includes(key) ? strict(value) : value
  }
  return unions.length === 0 ? opened : { ...opened, allOf: [...((opened.allOf as unknown[]) ?? []), ...unions] }
}

/** At least one branch fits as a reader takes it; no two fit as they are written. */
function readOneOf(branches: readonly unknown[], strict: (node: unknown) => unknown): readonly unknown[] {
  const pairs = branches.flatMap((one, index) =>
    branches.slice(0, index).map((other) => ({ not: { allOf: [strict(one), strict(other)] } })),
  )
  return [{ anyOf: branches.map((branch) => open(branch, strict)) }, ...pairs]
}

/** A check by the validator alone, without any rule of ours. */
export function plainCheck(schema: Schema): (value: unknown) => boolean {
  const options = { strict: false, logger: false, ownProperties: true } as const
  const ajv = typeof schema.$schema === 'string' ? new Ajv(options) : new Ajv2020(options)
  const check = ajv.compile({ ...schema, $id: 'urn:test:schema' })
  return (value) => check(value) === true
}
