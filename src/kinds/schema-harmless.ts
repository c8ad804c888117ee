import type { SchemaContent } from '../domain/contents'
import { isRecord } from '../domain/diff'
import { dialectOf, draft07 } from './schema-dialect'
import { inlineReferences, SchemaFault } from './schema-inline'
import { patternFault } from './schema-pattern'
import { annotations, identities } from './schema-shape'

const maxSchemaBytes = 256 * 1024
const maxSchemaDepth = 40
const maxSchemaNodes = 5000

/** Keywords that name the schema, or a part of it, anew (references are by pointer only), or that are of no dialect. */
const refused: Readonly<Record<string, string>> = {
  $async: 'which is not taken',
  $anchor: 'which is not taken: refer to parts by pointer',
  $dynamicRef: 'which is not taken: write $ref',
  $dynamicAnchor: 'which is not taken: refer to parts by pointer',
  $recursiveRef: 'which is not taken: write $ref',
  $recursiveAnchor: 'which is not taken: refer to parts by pointer',
  $vocabulary: 'which is not taken',
  $data: 'which is not taken',
  nullable: 'which is no keyword of JSON Schema: add null to the type',
  unevaluatedItems: 'which is not taken: write prefixItems and items',
}

interface Walk {
  readonly dialect: string
  nodes: number
  /** Keywords that are judged together. */
  readonly seen: Set<string>
}

/**
 * Bounds that hold before any work in proportion to what the schema describes, and what validators disagree about.
 * Throws `SchemaFault`.
 */
export function requireHarmless(schema: SchemaContent): void {
  const walk: Walk = { dialect: dialectOf(schema), nodes: 0, seen: new Set() }
  requireHarmlessNode(schema, 0, walk)
  if (JSON.stringify(schema).length > maxSchemaBytes) throw new SchemaFault(`is larger than ${maxSchemaBytes} bytes`)
  if (walk.seen.has('unevaluatedProperties') && walk.seen.has('if')) {
    throw new SchemaFault('uses unevaluatedProperties and if, which validators judge differently together')
  }
  inlineReferences(schema)
}

function requireHarmlessNode(node: unknown, depth: number, walk: Walk): void {
  walk.nodes += 1
  if (depth > maxSchemaDepth) throw new SchemaFault(`is nested deeper than ${maxSchemaDepth}`)
  if (walk.nodes > maxSchemaNodes) throw new SchemaFault(`has more than ${maxSchemaNodes} nodes`)
  if (Array.isArray(node)) {
    for (const item of node) requireHarmlessNode(item, depth + 1, walk)
    return
  }
  if (!isRecord(node)) return
  if (walk.dialect === draft07 && typeof node.$ref === 'string') requireAlone(node)
  for (const key of Object.keys(node)) {
    requireKey(key, node[key], depth)
    walk.seen.add(key)
    requireHarmlessNode(node[key], depth + 1, walk)
  }
}

/** Draft-07 says that what stands beside `$ref` is ignored; many validators do not. */
function requireAlone(node: SchemaContent): void {
  const stray = Object.keys(node).find((key) => key !== '$ref' && ![...annotations, ...identities].includes(key))
  if (stray === undefined) return
  throw new SchemaFault(`has ${stray} beside $ref, which draft-07 ignores: write both within allOf`)
}

function requireKey(key: string, value: unknown, depth: number): void {
  if (key === '__proto__') throw new SchemaFault('names the reserved key __proto__')
  if (Object.hasOwn(refused, key)) throw new SchemaFault(`uses ${key}, ${refused[key]}`)
  if ((key === '$id' || key === '$schema') && depth > 0 && typeof value === 'string') {
    throw new SchemaFault(`has a ${key} below the root`)
  }
  if (key === 'pattern' && typeof value === 'string') requirePattern(value)
  if (key === 'patternProperties' && isRecord(value)) for (const name of Object.keys(value)) requirePattern(name)
}

function requirePattern(pattern: string): void {
  const fault = patternFault(pattern)
  if (fault !== undefined) throw new SchemaFault(`has a pattern that is not taken (${pattern.slice(0, 80)}): ${fault}`)
}
