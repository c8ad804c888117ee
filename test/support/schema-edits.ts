import { isRecord } from '../../src/domain/diff'

/** Random JSON Schemas, edits of them and outputs that may fit them, all from one seed. */
export type Schema = Readonly<Record<string, unknown>>

export interface Dice {
  /** 0 ≤ n < below. */
  roll(below: number): number
  pick<T>(list: readonly T[]): T
  /** True once in so many times. */
  once(inTimes: number): boolean
}

/** The generator mulberry32: a few lines, and the same numbers everywhere. */
export function dice(seed: number): Dice {
  let state = seed >>> 0
  const roll = (below: number): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
  return { roll, pick: (list) => list[roll(list.length)] as never, once: (inTimes) => roll(inTimes) === 0 }
}

const keys = ['a', 'b', 'c', 'kind']
const types = ['string', 'integer', 'number', 'boolean', 'null', 'object', 'array']
const scalars: readonly unknown[] = [0, 1, 2, 3, 0.5, -1, '', 'a', 'ab', 'abc', 'b', true, false, null]
const patterns = ['^a', 'b$', '^[a-c]+$', '^x']
const definitions = ['one', 'two']

export interface Making {
  readonly dice: Dice
  readonly draft07: boolean
}

const several = <T>({ dice: { roll } }: Making, most: number, make: () => T): T[] =>
  Array.from({ length: 1 + roll(most) }, make)

/** A schema with definitions that may refer to each other and to the whole. */
export function makeSchema(making: Making): Schema {
  const named = definitions.map((name) => [name, makeNode(making, 2, true)])
  const root = {
    ...(makeNode(making, 3, true) as object),
    [making.draft07 ? 'definitions' : '$defs']: Object.fromEntries(named),
  }
  return making.draft07 ? { $schema: 'http://json-schema.org/draft-07/schema#', ...root } : root
}

const refTo = ({ dice: { pick, once }, draft07 }: Making): Schema => ({
  $ref: once(4) ? '#' : `#/${draft07 ? 'definitions' : '$defs'}/${pick(definitions)}`,
})

/** `isTop`: not a boolean and no bare reference, so that recursion goes through a part of the value. */
function makeNode(making: Making, depth: number, isTop = false): unknown {
  const { roll, pick, once } = making.dice
  if (!isTop && once(15)) return once(2)
  if (!isTop && depth < 3 && once(6)) return refTo(making)
  const makers: (() => Schema)[] = [
    () => ({ type: pick(types) }),
    () => ({ type: [...new Set(several(making, 3, () => pick(types)))] }),
    () => ({ enum: [...new Set(several(making, 4, () => pick(scalars)))] }),
    () => ({ const: pick(scalars) }),
    () => ({
      type: pick(['integer', 'number']),
      ...bounds(making, ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum']),
    }),
    () => ({
      type: 'string',
      ...bounds(making, ['minLength', 'maxLength']),
      ...(once(3) ? { pattern: pick(patterns) } : {}),
    }),
    () => ({ multipleOf: pick([1, 2, 3, 0.5]) }),
  ]
  if (depth === 0) return pick(makers)()
  const child = () => makeNode(making, depth - 1)
  const inPlace = () => makeNode(making, depth - 1, true)
  makers.push(
    () => makeObject(making, child),
    () => makeObject(making, child),
    () => makeArray(making, child),
    () => ({ anyOf: several(making, 3, inPlace) }),
    () => ({ ...(makers[roll(4)] as () => Schema)(), anyOf: several(making, 2, inPlace) }),
    () => ({ oneOf: several(making, 3, inPlace) }),
    () => ({ oneOf: several(making, 3, () => makeObject(making, child, pick(['x', 'y', 'z']))) }),
    () => ({ allOf: several(making, 2, inPlace) }),
    () => ({
      allOf: [makeObject(making, child), makeObject(making, child)],
      ...(making.draft07 ? {} : makeObject(making, child)),
    }),
    () => ({ not: inPlace() }),
    () => ({ if: inPlace(), [once(2) ? 'then' : 'else']: child() }),
  )
  return pick(makers)()
}

function bounds({ dice: { roll, once } }: Making, names: readonly string[]): Schema {
  return Object.fromEntries(names.filter(() => once(2)).map((name) => [name, roll(4)]))
}

function makeObject(making: Making, child: () => unknown, kind?: string): Schema {
  const { pick, once, roll } = making.dice
  const named = keys.filter(() => once(2)).map((key): [string, unknown] => [key, child()])
  const required = keys.filter(() => once(3))
  return {
    ...(once(4) ? {} : { type: 'object' }),
    properties: { ...Object.fromEntries(named), ...(kind === undefined ? {} : { kind: { const: kind } }) },
    ...(required.length > 0 || kind ? { required: [...new Set([...required, ...(kind ? ['kind'] : [])])] } : {}),
    ...(once(2) ? { additionalProperties: once(3) ? false : child() } : {}),
    ...(once(6) ? { patternProperties: { [pick(patterns)]: child() } } : {}),
    ...(once(8) ? { propertyNames: { maxLength: roll(5) } } : {}),
    ...(once(8) ? { maxProperties: roll(4) } : {}),
    ...(once(8) ? { minProperties: roll(3) } : {}),
    ...(once(8) ? { [making.draft07 ? 'dependencies' : 'dependentRequired']: { a: [pick(keys)] } } : {}),
    ...(once(8) ? { [making.draft07 ? 'dependencies' : 'dependentSchemas']: { b: child() } } : {}),
    ...(once(12) && !making.draft07 ? { unevaluatedProperties: once(2) ? false : child() } : {}),
  }
}

function makeArray(making: Making, child: () => unknown): Schema {
  const { once } = making.dice
  const tuple = several(making, 2, child)
  const rest = child()
  const parts = making.draft07
    ? once(2)
      ? { items: tuple, ...(once(2) ? { additionalItems: rest } : {}) }
      : { items: rest }
    : { ...(once(2) ? { prefixItems: tuple } : {}), ...(once(2) ? { items: rest } : {}) }
  return {
    ...(once(4) ? {} : { type: 'array' }),
    ...parts,
    ...bounds(making, ['minItems', 'maxItems']),
    ...(once(6) ? { uniqueItems: once(3) === false } : {}),
    ...(once(6)
      ? { contains: child(), ...(making.draft07 ? {} : bounds(making, ['minContains', 'maxContains'])) }
      : {}),
  }
}

/** A copy of the schema with one thing changed somewhere. */
export function editSchema(making: Making, schema: Schema): Schema {
  const copy = structuredClone(schema) as Record<string, unknown>
  const places: [holder: Record<string, unknown> | unknown[], key: string][] = []
  collect(copy, places)
  const { pick, once } = making.dice
  if (places.length === 0) return copy
  const named = places.filter(([, key]) => ['properties', 'contains', 'maxContains', 'oneOf'].includes(key))
  const [holder, key] = pick(named.length > 0 && once(3) ? named : places)
  const slot = holder as Record<string, unknown>
  slot[key] = editValue(making, key, slot[key])
  if (slot[key] === undefined && !Array.isArray(holder)) delete slot[key]
  return copy
}

/** Everything below a schema that may be edited: keywords, subschemas, entries of maps. */
function collect(node: unknown, places: [Record<string, unknown> | unknown[], string][]): void {
  if (Array.isArray(node))
    for (const [index, item] of node.entries()) if (isRecord(item)) collectAt(node, String(index), places)
  if (!isRecord(node)) return
  for (const key of Object.keys(node)) if (key !== '$schema') collectAt(node as Record<string, unknown>, key, places)
}

function collectAt(
  holder: Record<string, unknown> | unknown[],
  key: string,
  places: Parameters<typeof collect>[1],
): void {
  if (!['$defs', 'definitions', 'one', 'two'].includes(key)) places.push([holder, key])
  collect((holder as Record<string, unknown>)[key], places)
}

function editValue(making: Making, key: string, value: unknown): unknown {
  const { roll, pick, once } = making.dice
  if (key === 'properties' && isRecord(value)) {
    const extra = { [pick(keys)]: makeNode(making, 1) }
    return once(3)
      ? Object.fromEntries(Object.entries(value).slice(1))
      : once(2)
        ? { ...value, ...extra }
        : { ...extra, ...value }
  }
  if (key === 'description') return 'other words'
  if (typeof value === 'number') return once(6) ? undefined : roll(4)
  if (key === 'required' && Array.isArray(value)) {
    return once(2) ? [...new Set([...value, pick(keys)])] : value.length > 1 ? value.slice(1) : undefined
  }
  if (key === 'enum' && Array.isArray(value)) {
    return once(2) ? [...new Set([...value, pick(scalars)])] : value.length > 1 ? value.slice(1) : value
  }
  if (key === 'type')
    return once(5) ? undefined : once(2) ? pick(types) : [...new Set([...[value].flat(), pick(types)])]
  if (['anyOf', 'oneOf', 'allOf', 'prefixItems'].includes(key) && Array.isArray(value)) {
    const longer = [...value, makeNode(making, 1, true)]
    return pick([longer, value.length > 1 ? value.slice(1) : longer, [...value].reverse()])
  }
  if (key === 'additionalProperties') return pick<unknown>([undefined, false, true, makeNode(making, 1)])
  if (typeof value === 'boolean') return once(2) ? !value : undefined
  if (
    isRecord(value) &&
    !['dependencies', 'dependentRequired', 'dependentSchemas', 'patternProperties'].includes(key)
  ) {
    return pick<() => unknown>([
      () => ({
        ...value,
        ...(value.$ref === undefined ? (makeNode(making, 0, true) as object) : { description: 'a' }),
      }),
      () => makeNode(making, 1, true),
      () => ({ ...value, description: 'words' }),
      () => ({ allOf: [value] }),
      () => (value.$ref === undefined ? { anyOf: [value, makeNode(making, 0, true)] } : value),
    ])()
  }
  return key === 'const' ? pick(scalars) : key === 'pattern' ? pick([...patterns, undefined]) : value
}

/** A value that has a good chance to fit the node. */
export function makeOutput(making: Making, root: Schema, node: unknown, depth = 4): unknown {
  const { roll, pick, once } = making.dice
  if (!isRecord(node) || depth === 0 || once(25)) return anyValue(making, depth)
  if (typeof node.$ref === 'string') {
    const target = node.$ref
      .split('/')
      .slice(1)
      .reduce<unknown>((at, part) => (isRecord(at) ? at[part] : undefined), root)
    return makeOutput(making, root, target, depth - 1)
  }
  if (Object.hasOwn(node, 'const')) return node.const
  if (Array.isArray(node.enum)) return pick(node.enum)
  const parts = [node.anyOf, node.oneOf, node.allOf, node.then, node.else, node.if]
    .flat()
    .filter((part) => part !== undefined)
  if (parts.length > 0 && !once(3)) {
    const inner = makeOutput(making, root, pick(parts), depth - 1)
    if (!isRecord(inner) || !isRecord(node.properties)) return inner
    const { anyOf: _a, oneOf: _o, allOf: _l, if: _i, then: _t, else: _e, ...own } = node
    return { ...(makeOutput(making, root, own, depth - 1) as object), ...inner }
  }
  const named = Array.isArray(node.type) ? pick(node.type) : node.type
  const type =
    named ?? (node.properties ? 'object' : node.items || node.prefixItems || node.contains ? 'array' : pick(types))
  if (type === 'object') return objectFor(making, root, node, depth)
  if (type === 'array') return arrayFor(making, root, node, depth)
  const fit = scalars.filter((value) =>
    type === 'integer' ? Number.isInteger(value) : type === 'null' ? value === null : typeof value === type,
  )
  return fit.length > 0 ? pick(fit) : roll(4)
}

function objectFor(making: Making, root: Schema, node: Schema, depth: number): unknown {
  const { once, pick } = making.dice
  const properties = isRecord(node.properties) ? node.properties : {}
  const required: readonly unknown[] = Array.isArray(node.required) ? node.required : []
  const further =
    isRecord(node.patternProperties) && once(2) ? Object.values(node.patternProperties)[0] : node.additionalProperties
  const value: Record<string, unknown> = {}
  for (const key of Object.keys(properties)) {
    if (required.includes(key) || !once(3)) value[key] = makeOutput(making, root, properties[key], depth - 1)
  }
  for (const key of required)
    if (!Object.hasOwn(value, String(key))) value[String(key)] = makeOutput(making, root, further, depth - 1)
  if (node.additionalProperties !== false && once(2))
    value[pick([...keys, 'ab', 'xb', 'd'])] = makeOutput(making, root, further, depth - 1)
  return value
}

function arrayFor(making: Making, root: Schema, node: Schema, depth: number): unknown {
  const { roll, once } = making.dice
  const listed = Array.isArray(node.prefixItems) ? node.prefixItems : Array.isArray(node.items) ? node.items : []
  const rest = Array.isArray(node.items) ? node.additionalItems : node.items
  const length = Math.max(Number(node.minItems ?? 0), roll(listed.length + 3))
  return Array.from({ length: Math.min(length, 5) }, (_, index) =>
    makeOutput(
      making,
      root,
      node.contains !== undefined && once(2) ? node.contains : (listed[index] ?? rest),
      depth - 1,
    ),
  )
}

function anyValue(making: Making, depth: number): unknown {
  const { roll, pick, once } = making.dice
  if (depth < 2 || once(2)) return pick(scalars)
  if (once(2)) return Array.from({ length: roll(3) }, () => anyValue(making, depth - 1))
  return Object.fromEntries(keys.filter(() => once(2)).map((key) => [key, anyValue(making, depth - 1)]))
}
