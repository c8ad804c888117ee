import { isRecord, sameJson } from '../domain/diff'

/** Keywords that say nothing about which values fit. */
export const annotations = [
  'title',
  'description',
  'default',
  'examples',
  '$comment',
  'deprecated',
  'readOnly',
  'writeOnly',
]

/** Keywords that name the schema. */
export const identities = ['$schema', '$id', '$defs', 'definitions']

const dropped = [...annotations, ...identities]
const unordered = ['required', 'enum', 'type']
/** Their keys are names that people chose, not keywords. */
export const maps = ['properties', 'patternProperties', 'dependentSchemas', 'dependencies']

/** What a schema with inlined references says about values: without annotations, lists without order sorted. */
export function shapeOf(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(shapeOf)
  if (!isRecord(node)) return node
  const kept = Object.entries(node).filter(([keyword]) => !dropped.includes(keyword))
  return Object.fromEntries(kept.map(([keyword, value]) => [keyword, shapeOfKeyword(keyword, value)]))
}

function shapeOfKeyword(keyword: string, value: unknown): unknown {
  if (keyword === 'const' || keyword === 'dependentRequired') return value
  if (unordered.includes(keyword)) return Array.isArray(value) ? sortedByText(value) : value
  if (!maps.includes(keyword) || !isRecord(value)) return shapeOf(value)
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, shapeOf(part)]))
}

const sortedByText = (values: readonly unknown[]): readonly unknown[] =>
  [...values].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))

export const sameShape = (a: unknown, b: unknown): boolean => sameJson(shapeOf(a), shapeOf(b))
