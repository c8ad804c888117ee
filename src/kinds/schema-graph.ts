import { isRecord, own, sameJson } from '../domain/diff'
import { locate } from './schema-inline'
import { annotations, identities } from './schema-shape'

export type SchemaNode = Readonly<Record<string, unknown>>

/** One of the schemas that must all hold at a place, with the node it was written in. */
export interface Conjunct {
  readonly keywords: SchemaNode
  /** `unevaluatedProperties` looks at all that stands in this node, so it is compared there. */
  readonly origin: SchemaNode
}

/** What holds at a place: nothing fits (`false`), or whatever fits every conjunct; none of them: anything. */
export type Meaning = false | readonly Conjunct[]

/** A schema whose references are followed as they are met, so that recursion needs no end. */
export interface SchemaGraph {
  /** The node that a chain of bare references leads to. */
  resolve(node: unknown): unknown
  meaning(node: unknown): Meaning
  readonly bounded: Bounded
}

/** Does a step of work; throws when there were too many, or when they stand too deep within each other. */
export type Bounded = <T>(work: () => T) => T

export function schemaGraph(root: SchemaNode, bounded: Bounded): SchemaGraph {
  const known = new Map<SchemaNode, Meaning>()
  const resolve = (node: unknown): unknown => {
    if (!isRecord(node) || typeof node.$ref !== 'string' || assertions(node).length > 1) return node
    const { $ref } = node
    return bounded(() => resolve(locate(root, $ref)))
  }
  const meaning = (node: unknown): Meaning => {
    if (!isRecord(node)) return node === false ? false : []
    const found = known.get(node)
    if (found !== undefined) return found
    const parts = [...(node.$ref === undefined ? [] : [locate(root, String(node.$ref))]), ...branches(node, 'allOf')]
    const meanings = parts.map((part) => bounded(() => meaning(part)))
    const all = meanings.includes(false) ? false : merge([ownConjunct(node), ...meanings.flatMap((one) => one || [])])
    known.set(node, all)
    return all
  }
  return { resolve, meaning, bounded }
}

/** Keywords that say which values fit. */
export const assertions = (node: SchemaNode): readonly string[] =>
  Object.keys(node).filter((keyword) => !annotations.includes(keyword) && !identities.includes(keyword))

/** The schemas of a list keyword; none where it is absent. */
export const branches = (node: SchemaNode, keyword: string): readonly unknown[] => {
  const list = own(node, keyword)
  return Array.isArray(list) ? list : []
}

/** A map keyword; empty where it is absent. */
export const parts = (node: SchemaNode, keyword: string): SchemaNode => {
  const map = own(node, keyword)
  return isRecord(map) ? map : {}
}

function ownConjunct(node: SchemaNode): Conjunct {
  const kept = Object.entries(node).filter(([keyword]) => keyword !== '$ref' && keyword !== 'allOf')
  return { keywords: Object.fromEntries(kept), origin: node }
}

/** Puts conjuncts together where that changes nothing, so that a schema and its parts written out are the same. */
function merge(conjuncts: readonly Conjunct[]): readonly Conjunct[] {
  const merged: Conjunct[] = []
  for (const conjunct of conjuncts) {
    const place = merged.findIndex((other) => areMergeable(other.keywords, conjunct.keywords))
    const other = merged[place]
    if (other === undefined) merged.push(conjunct)
    else merged[place] = { keywords: mergeKeywords(other.keywords, conjunct.keywords), origin: other.origin }
  }
  return merged.filter(({ keywords }) => Object.keys(keywords).length > 0)
}

const objectGroup = ['properties', 'patternProperties', 'additionalProperties']
/** Keywords that mean something only together. */
const groups = [
  objectGroup,
  ['items', 'prefixItems', 'additionalItems'],
  ['contains', 'minContains', 'maxContains'],
  ['if', 'then', 'else'],
]

function areMergeable(a: SchemaNode, b: SchemaNode): boolean {
  if (Object.hasOwn(b, 'unevaluatedProperties')) return false
  const apart = haveOtherProperties(a, b)
  const has = (node: SchemaNode, group: readonly string[]) => group.some((keyword) => Object.hasOwn(node, keyword))
  const collide = groups.some((group) => has(a, group) && has(b, group) && !(apart && group === objectGroup))
  return !collide && sharedAreMergeable(a, b, apart ? 'properties' : undefined)
}

/** Both list properties, none the same, and say nothing of the others. */
function haveOtherProperties(a: SchemaNode, b: SchemaNode): boolean {
  const plain = (node: SchemaNode) =>
    isRecord(node.properties) && node.patternProperties === undefined && node.additionalProperties === undefined
  return (
    plain(a) &&
    plain(b) &&
    Object.keys(parts(a, 'properties')).every((key) => !Object.hasOwn(parts(b, 'properties'), key))
  )
}

function sharedAreMergeable(a: SchemaNode, b: SchemaNode, except: string | undefined): boolean {
  const shared = assertions(b).filter((keyword) => keyword !== except && Object.hasOwn(a, keyword))
  return shared.every((keyword) => keyword === 'required' || (isPlain(keyword) && sameJson(a[keyword], b[keyword])))
}

/** Keywords whose value holds no schema, so that equal text means the same on both sides of a merge. */
const isPlain = (keyword: string): boolean => ['type', 'minimum', 'maximum', 'format', 'pattern'].includes(keyword)

function mergeKeywords(a: SchemaNode, b: SchemaNode): SchemaNode {
  const required = [...new Set([...branches(a, 'required'), ...branches(b, 'required')])]
  const both = isRecord(a.properties) && isRecord(b.properties)
  return {
    ...b,
    ...a,
    ...(required.length > 0 ? { required } : {}),
    ...(both ? { properties: { ...parts(b, 'properties'), ...parts(a, 'properties') } } : {}),
  }
}
