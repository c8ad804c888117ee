import { isRecord, own, pointerPart } from '../domain/diff'
import { maps } from './schema-shape'

/** Why a JSON Schema is refused. */
export class SchemaFault extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'SchemaFault'
  }
}

/** Nodes after references are put in place: keeps "billion laughs" from growing without bound. */
const maxInlinedNodes = 20_000

/** Stands for a reference to a schema that is being described already, further out: at this place of the answer. */
export const recursionKey = 'recursive reference'

/** Keywords whose schemas apply to a part of the value: recursion through them ends with the value. */
const descending = new Set([
  'properties',
  'patternProperties',
  'additionalProperties',
  'unevaluatedProperties',
  'items',
  'prefixItems',
  'additionalItems',
  'unevaluatedItems',
  'contains',
])
const definitions = new Set(['$defs', 'definitions'])

interface Walk {
  readonly root: Readonly<Record<string, unknown>>
  readonly recursions: Set<string>
  nodes: number
}

interface Place {
  /** Open references, outermost first, with where they are described; `descended` once a part of the value was entered. */
  readonly open: readonly { readonly ref: string; readonly at: string; readonly descended: boolean }[]
  /** Which part of the value is described. */
  readonly value: string
  /** JSON pointer into the answer. */
  readonly at: string
}

/**
 * The schema with every local `$ref` replaced by what it names, definitions left out; recursion is cut with a marker.
 * Throws `SchemaFault` for references that are remote, dangling, endless, or ambiguous enough to take exponential time.
 */
export function inlineReferences(schema: Readonly<Record<string, unknown>>): unknown {
  const walk: Walk = { root: schema, recursions: new Set(), nodes: 0 }
  return inlineNode(walk, schema, { open: [{ ref: '#', at: '', descended: false }], value: '', at: '' })
}

function inlineNode(walk: Walk, node: unknown, place: Place): unknown {
  walk.nodes += 1
  if (walk.nodes > maxInlinedNodes) throw new SchemaFault(`describes more than ${maxInlinedNodes} nodes`)
  if (Array.isArray(node)) return node.map((item, index) => inlineNode(walk, item, within(place, String(index))))
  if (!isRecord(node)) return node
  const parts = Object.entries(node).filter(([key]) => key !== '$ref' && !definitions.has(key))
  const rest: Readonly<Record<string, unknown>> = Object.fromEntries(
    parts.map(([key, value]) => [key, inlineKeyword(walk, key, value, within(place, key))]),
  )
  const ref = own(node, '$ref')
  if (ref === undefined) return rest
  if (parts.length === 0) return inlineTarget(walk, ref, place)
  // Siblings of a reference apply beside what it names.
  const allOf: readonly unknown[] = Array.isArray(rest.allOf) ? rest.allOf : []
  return { ...rest, allOf: [...allOf, inlineTarget(walk, ref, within(place, `allOf/${allOf.length}`))] }
}

const within = (place: Place, part: string): Place => ({ ...place, at: `${place.at}/${part}` })

function inlineKeyword(walk: Walk, key: string, value: unknown, place: Place): unknown {
  if (key === 'enum' || key === 'const' || key === 'default' || key === 'examples') return value
  const isMap = maps.includes(key) && isRecord(value)
  const open = descending.has(key) ? place.open.map((outer) => ({ ...outer, descended: true })) : place.open
  const inner = (name: string): Place => ({
    at: place.at,
    open,
    value: descending.has(key) ? `${place.value}/${name}` : place.value,
  })
  if (!isMap) return inlineNode(walk, value, inner('*'))
  const parts = Object.entries(value).map(([name, part]): [string, unknown] => [
    name,
    inlineNode(walk, part, within(inner(key === 'properties' ? name : '*'), pointerPart(name))),
  ])
  return Object.fromEntries(parts)
}

function inlineTarget(walk: Walk, ref: unknown, place: Place): unknown {
  if (typeof ref !== 'string') throw new SchemaFault('has a $ref that is no text')
  const target = locate(walk.root, ref)
  const outer = place.open.find((candidate) => candidate.ref === ref)
  if (outer === undefined) {
    return inlineNode(walk, target, { ...place, open: [...place.open, { ref, at: place.at, descended: false }] })
  }
  if (!outer.descended) throw new SchemaFault(`refers to itself without end through ${ref}`)
  const recursion = `${ref} ${place.value}`
  if (walk.recursions.has(recursion)) throw new SchemaFault(`recurses into ${ref} twice for the same value`)
  walk.recursions.add(recursion)
  return { [recursionKey]: outer.at }
}

/** What a reference names. Throws `SchemaFault` where it is remote or dangling. */
export function locate(root: Readonly<Record<string, unknown>>, ref: string): unknown {
  if (ref !== '#' && !ref.startsWith('#/')) throw new SchemaFault(`refers to ${ref}, which is not within the schema`)
  let node: unknown = root
  for (const part of ref.split('/').slice(1)) {
    const key = decodePart(part, ref)
    node = Array.isArray(node) ? node[Number(key)] : isRecord(node) ? own(node, key) : undefined
  }
  if (!isRecord(node) && typeof node !== 'boolean') throw new SchemaFault(`refers to ${ref}, which does not exist`)
  return node
}

function decodePart(part: string, ref: string): string {
  try {
    return decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')
  } catch {
    throw new SchemaFault(`refers to ${ref}, which is no JSON pointer`)
  }
}
