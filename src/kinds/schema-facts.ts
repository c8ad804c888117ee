import { sameJson } from '../domain/diff'
import { branches, parts, type SchemaGraph } from './schema-graph'

/** `number` is told apart into whole numbers and others, since `integer` takes only the former. */
export const valueTypes = ['null', 'boolean', 'object', 'array', 'string', 'integer', 'fraction'] as const
export type ValueType = (typeof valueTypes)[number]

/** Unions within unions are followed so far; beyond it, nothing is known. */
const maxFactDepth = 6

/** The types that a `type` keyword names; all where it is absent. */
export function namedTypes(type: unknown): readonly ValueType[] {
  if (type === undefined) return valueTypes
  const names: readonly unknown[] = Array.isArray(type) ? type : [type]
  return valueTypes.filter((name) => names.includes(name) || (isNumeric(name) && names.includes('number')))
}

export const isNumeric = (type: ValueType): boolean => type === 'integer' || type === 'fraction'

export function typeOfValue(value: unknown): ValueType {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'fraction'
  return typeof value as 'boolean' | 'object' | 'string'
}

/** A list that holds every type that a value fitting the node can have. */
export function possibleTypes(graph: SchemaGraph, node: unknown, depth = 0): readonly ValueType[] {
  const meaning = graph.meaning(node)
  if (meaning === false) return []
  if (depth > maxFactDepth) return valueTypes
  let possible: readonly ValueType[] = valueTypes
  const keep = (types: readonly ValueType[]) => {
    possible = possible.filter((type) => types.includes(type))
  }
  for (const { keywords } of meaning) {
    keep(namedTypes(keywords.type))
    if (Object.hasOwn(keywords, 'const')) keep([typeOfValue(keywords.const)])
    if (Array.isArray(keywords.enum)) keep(keywords.enum.map(typeOfValue))
    for (const union of ['anyOf', 'oneOf']) {
      if (!Array.isArray(keywords[union])) continue
      const types = branches(keywords, union).map((branch) =>
        graph.bounded(() => possibleTypes(graph, branch, depth + 1)),
      )
      keep(types.flat())
    }
  }
  return possible
}

/** A list that holds every value that fits the node; undefined where there is no such list. */
export function possibleValues(graph: SchemaGraph, node: unknown, depth = 0): readonly unknown[] | undefined {
  const meaning = graph.meaning(node)
  if (meaning === false) return []
  if (depth > maxFactDepth) return undefined
  for (const { keywords } of meaning) {
    if (Object.hasOwn(keywords, 'const')) return [keywords.const]
    if (Array.isArray(keywords.enum)) return keywords.enum
  }
  for (const { keywords } of meaning) {
    for (const union of ['anyOf', 'oneOf']) {
      if (!Array.isArray(keywords[union])) continue
      const values = branches(keywords, union).map((branch) =>
        graph.bounded(() => possibleValues(graph, branch, depth + 1)),
      )
      if (values.every((list) => list !== undefined)) return values.flat()
    }
  }
  const types = possibleTypes(graph, node)
  if (types.some((type) => type !== 'null' && type !== 'boolean')) return undefined
  return types.flatMap((type) => (type === 'null' ? [null] : [true, false]))
}

/** Whether it is plain that no value fits both nodes: other types, other values, or another value under a key of both. */
export function areDisjoint(graph: SchemaGraph, a: unknown, b: unknown, depth = 0): boolean {
  const types = possibleTypes(graph, b)
  const shared = possibleTypes(graph, a).filter((type) => types.includes(type))
  if (shared.length === 0) return true
  const [left, right] = [possibleValues(graph, a), possibleValues(graph, b)]
  if (left !== undefined && right !== undefined) {
    return left.every((value) => right.every((other) => !sameJson(value, other)))
  }
  if (depth > maxFactDepth || shared.some((type) => type !== 'object')) return false
  const [one, other] = [alwaysThere(graph, a), alwaysThere(graph, b)]
  return [...one].some(([key, parts]) =>
    parts.some((part) =>
      (other.get(key) ?? []).some((against) => graph.bounded(() => areDisjoint(graph, part, against, depth + 1))),
    ),
  )
}

/** Keys that every object fitting the node has, with what is said of their values. */
function alwaysThere(graph: SchemaGraph, node: unknown): ReadonlyMap<string, readonly unknown[]> {
  const meaning = graph.meaning(node) || []
  const required = meaning.flatMap(({ keywords }) => branches(keywords, 'required').map(String))
  return new Map(
    required.map((key) => [
      key,
      meaning.flatMap(({ keywords }) => {
        const properties = parts(keywords, 'properties')
        return Object.hasOwn(properties, key) ? [properties[key]] : []
      }),
    ]),
  )
}
