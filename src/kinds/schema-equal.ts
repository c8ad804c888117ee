import { isRecord, own, sameJson } from '../domain/diff'
import { assertions, type Bounded, branches, parts, type SchemaGraph, type SchemaNode } from './schema-graph'

/** Keywords whose value is one schema, or for `items` of draft-07 a list of them. */
const single = [
  'additionalProperties',
  'unevaluatedProperties',
  'additionalItems',
  'items',
  'contains',
  'propertyNames',
  'not',
  'if',
  'then',
  'else',
]
const lists = ['allOf', 'anyOf', 'oneOf', 'prefixItems']
const maps = ['properties', 'patternProperties', 'dependentSchemas', 'dependencies']
const unordered = ['required', 'enum', 'type']

export interface Sides {
  readonly before: SchemaGraph
  readonly after: SchemaGraph
  readonly bounded: Bounded
}

/**
 * Whether two nodes say the same of every value, as far as their form shows: annotations, the order of lists without
 * order and the names of definitions do not matter. What is met again within itself is the same where all else is.
 */
export function sameMeaning(sides: Sides, before: unknown, after: unknown): boolean {
  return same({ sides, open: new Map() }, before, after)
}

interface Walk {
  readonly sides: Sides
  readonly open: Map<unknown, Set<unknown>>
}

function same(walk: Walk, before: unknown, after: unknown): boolean {
  const [old, now] = [walk.sides.before.resolve(before), walk.sides.after.resolve(after)]
  if (!isRecord(old) || !isRecord(now)) return Object.is(old, now) || isAny(old, now) || isAny(now, old)
  const met = walk.open.get(old) ?? new Set()
  if (met.has(now)) return true
  walk.open.set(old, met.add(now))
  const [keywords, others] = [withoutReference(old), withoutReference(now)]
  const names = assertions(keywords)
  if (names.length !== assertions(others).length) return false
  return walk.sides.bounded(() =>
    names.every((name) => Object.hasOwn(others, name) && sameKeyword(walk, name, [keywords[name], others[name]])),
  )
}

/** `true` and a schema that asserts nothing are the same. */
const isAny = (node: unknown, other: unknown): boolean =>
  node === true && isRecord(other) && assertions(other).length === 0

/** A reference beside other keywords is one more schema that must hold. */
function withoutReference(node: SchemaNode): SchemaNode {
  if (node.$ref === undefined) return node
  const { $ref, ...rest } = node
  return { ...rest, allOf: [...branches(node, 'allOf'), { $ref }] }
}

function sameKeyword(walk: Walk, keyword: string, [old, now]: readonly [unknown, unknown]): boolean {
  if (unordered.includes(keyword)) return sameJson(sorted(old), sorted(now))
  if (maps.includes(keyword)) {
    const [before, after] = [parts({ keyword: old }, 'keyword'), parts({ keyword: now }, 'keyword')]
    const keys = Object.keys(before)
    if (keys.length !== Object.keys(after).length) return false
    return keys.every((key) => Object.hasOwn(after, key) && samePart(walk, before[key], own(after, key)))
  }
  if (lists.includes(keyword) || single.includes(keyword)) return samePart(walk, old, now)
  return sameJson(old, now)
}

/** A schema, a list of schemas, or the list of names that `dependencies` takes too. */
function samePart(walk: Walk, old: unknown, now: unknown): boolean {
  if (!Array.isArray(old) || !Array.isArray(now)) return same(walk, old, now)
  if (old.length !== now.length) return false
  return old.every((part, place) => (typeof part === 'string' ? part === now[place] : same(walk, part, now[place])))
}

const sorted = (value: unknown): unknown =>
  Array.isArray(value) ? [...value].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : [value]
