import { isMultipleOf } from '../domain/decimal'
import { isRecord, own, sameJson } from '../domain/diff'
import { compilePattern } from '../domain/pattern'
import {
  compareCondition,
  compareContains,
  compareDependencies,
  compareItems,
  compareProperties,
  compareRequired,
} from './schema-compare-parts'
import { compareAnyOf, compareOneOf } from './schema-compare-unions'
import type { Comparer, Place } from './schema-comparer'
import { sameMeaning } from './schema-equal'
import { namedTypes, possibleTypes, possibleValues, type ValueType } from './schema-facts'
import type { SchemaRuleName } from './schema-rules'
import { annotations, identities } from './schema-shape'

type CompareKeyword = (comparer: Comparer, place: Place, keyword: string) => void

/** Keywords that say something of values of these types only. */
const domains: readonly { readonly types: readonly ValueType[]; readonly keywords: readonly string[] }[] = [
  {
    types: ['integer', 'fraction'],
    keywords: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  },
  {
    types: ['string'],
    keywords: ['minLength', 'maxLength', 'pattern', 'contentEncoding', 'contentMediaType', 'contentSchema'],
  },
  {
    types: ['array'],
    keywords: [
      'items',
      'prefixItems',
      'additionalItems',
      'contains',
      'minContains',
      'maxContains',
      'minItems',
      'maxItems',
      'uniqueItems',
    ],
  },
  {
    types: ['object'],
    keywords: [
      'properties',
      'patternProperties',
      'additionalProperties',
      'unevaluatedProperties',
      'required',
      'propertyNames',
      'minProperties',
      'maxProperties',
      'dependentRequired',
      'dependentSchemas',
      'dependencies',
    ],
  },
]

/**
 * Tells how the keywords of a conjunct differ. Each of the old one must follow from the new one; what the new one says
 * beyond only narrows.
 */
export function compareKeywords(comparer: Comparer, place: Place): void {
  const possible = possibleTypes(comparer.sides.after, place.after)
  const idle = domains.filter(({ types }) => types.every((type) => !possible.includes(type)))
  const ignored = new Set(idle.flatMap(({ keywords }) => keywords))
  if (!ignored.has('properties')) compareProperties(comparer, place)
  if (!ignored.has('items')) compareItems(comparer, place)
  const keywords = new Set([...Object.keys(place.old), ...Object.keys(place.now)])
  for (const keyword of [...keywords].sort()) {
    if (!ignored.has(keyword) && !elsewhere.includes(keyword)) compareKeyword(keyword)(comparer, place, keyword)
  }
}

const compareKeyword = (keyword: string): CompareKeyword =>
  Object.hasOwn(comparisons, keyword) ? (comparisons[keyword] ?? opaque) : opaque

const valuesOf = ({ old, now }: Place, keyword: string): [unknown, unknown] => [own(old, keyword), own(now, keyword)]

/** A keyword whose meaning cannot be compared part by part. */
const opaque: CompareKeyword = (comparer, place, keyword) => {
  const values = valuesOf(place, keyword)
  if (!sameJson(...values)) comparer.note(`${place.path}/${keyword}`, values, 'not_compared')
}

interface Demand {
  /** Whether what the old value demands follows from the new value of the keyword. */
  readonly follows: (old: unknown, now: unknown, place: Place) => boolean
  /** Whether one value meets what the old keyword demands of it. */
  readonly isMet?: (old: unknown, value: unknown) => boolean
  readonly rules: { readonly kept: SchemaRuleName; readonly broken: SchemaRuleName }
}

/** A keyword that takes values away: it has to follow from what the new schema says, or hold of each value it lists. */
const restriction =
  ({ follows, isMet, rules }: Demand): CompareKeyword =>
  (comparer, place, keyword) => {
    const values = valuesOf(place, keyword)
    const [old, now] = values
    if (sameJson(old, now)) return
    const listed = () => isMet && possibleValues(comparer.sides.after, place.after)?.every((value) => isMet(old, value))
    const isKept = old === undefined || follows(old, now, place) || listed() === true
    comparer.note(`${place.path}/${keyword}`, values, isKept ? rules.kept : rules.broken)
  }

const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)
const lengthOf = (value: unknown): number | undefined => (typeof value === 'string' ? [...value].length : undefined)
const countOf = (value: unknown): number | undefined => (Array.isArray(value) ? value.length : undefined)
const keysOf = (value: unknown): number | undefined => (isRecord(value) ? Object.keys(value).length : undefined)

/** Whether a limit is given and lies so; an absent one does not. */
const lies = (limit: unknown, how: (limit: number) => boolean): boolean => typeof limit === 'number' && how(limit)
const bounds = { kept: 'bound_tightened', broken: 'bound_loosened' } as const
const atLeast = (size: typeof numberOf): CompareKeyword =>
  restriction({
    follows: (old, now) => lies(now, (limit) => limit >= Number(old)) || (size !== numberOf && old === 0),
    isMet: (old, value) => (size(value) ?? Number.POSITIVE_INFINITY) >= Number(old),
    rules: bounds,
  })
const atMost = (size: typeof numberOf): CompareKeyword =>
  restriction({
    follows: (old, now) => lies(now, (limit) => limit <= Number(old)),
    isMet: (old, value) => (size(value) ?? Number.NEGATIVE_INFINITY) <= Number(old),
    rules: bounds,
  })
const beyond = (isMet: (bound: number, value: number) => boolean, follows: Demand['follows']): CompareKeyword =>
  restriction({
    follows,
    isMet: (old, value) => typeof value !== 'number' || isMet(Number(old), value),
    rules: bounds,
  })

const asBefore = { kept: 'restriction_added', broken: 'restriction_removed' } as const
const never = () => false

const compareType: CompareKeyword = (comparer, place) => {
  const values = valuesOf(place, 'type')
  if (sameJson(...values)) return
  const named = namedTypes(place.old.type)
  const isKept = possibleTypes(comparer.sides.after, place.after).every((type) => named.includes(type))
  comparer.note(`${place.path}/type`, values, isKept ? 'type_narrowed' : 'type_widened')
}

const compareValues: CompareKeyword = (comparer, place, keyword) => {
  const values = valuesOf(place, keyword)
  const [old, now] = values
  if (sameJson(old, now)) return
  const listed = keyword === 'const' ? [old] : old
  const isListed = (value: unknown) => Array.isArray(listed) && listed.some((other) => sameJson(other, value))
  const isKept = old === undefined || possibleValues(comparer.sides.after, place.after)?.every(isListed) === true
  comparer.note(`${place.path}/${keyword}`, values, isKept ? 'values_narrowed' : 'values_widened')
}

const compareNot: CompareKeyword = (comparer, place) => {
  const values = valuesOf(place, 'not')
  const [old, now] = values
  if (old === undefined) return comparer.note(`${place.path}/not`, values, 'restriction_added')
  if (now === undefined) return comparer.note(`${place.path}/not`, values, 'restriction_removed')
  if (!sameMeaning(comparer.sides, old, now)) comparer.note(`${place.path}/not`, values, 'not_compared')
}

const union =
  (compare: CompareKeyword): CompareKeyword =>
  (comparer, place, keyword) => {
    const values = valuesOf(place, keyword)
    if (values[0] === undefined) return comparer.note(`${place.path}/${keyword}`, values, 'restriction_added')
    compare(comparer, place, keyword)
  }

const comparisons: Readonly<Record<string, CompareKeyword>> = {
  type: compareType,
  enum: compareValues,
  const: compareValues,
  required: compareRequired,
  minimum: beyond(
    (bound, value) => value >= bound,
    (old, _, { now }) =>
      lies(now.minimum, (limit) => limit >= Number(old)) || lies(now.exclusiveMinimum, (limit) => limit >= Number(old)),
  ),
  exclusiveMinimum: beyond(
    (bound, value) => value > bound,
    (old, _, { now }) =>
      lies(now.exclusiveMinimum, (limit) => limit >= Number(old)) || lies(now.minimum, (limit) => limit > Number(old)),
  ),
  maximum: beyond(
    (bound, value) => value <= bound,
    (old, _, { now }) =>
      lies(now.maximum, (limit) => limit <= Number(old)) || lies(now.exclusiveMaximum, (limit) => limit <= Number(old)),
  ),
  exclusiveMaximum: beyond(
    (bound, value) => value < bound,
    (old, _, { now }) =>
      lies(now.exclusiveMaximum, (limit) => limit <= Number(old)) || lies(now.maximum, (limit) => limit < Number(old)),
  ),
  multipleOf: restriction({
    follows: (old, now) => lies(now, (divisor) => isMultipleOf(divisor, Number(old))),
    isMet: (old, value) => typeof value !== 'number' || isMultipleOf(value, Number(old)),
    rules: asBefore,
  }),
  minLength: atLeast(lengthOf),
  maxLength: atMost(lengthOf),
  minItems: atLeast(countOf),
  maxItems: atMost(countOf),
  minProperties: atLeast(keysOf),
  maxProperties: atMost(keysOf),
  pattern: restriction({
    follows: never,
    isMet: (old, value) => typeof value !== 'string' || compilePattern(String(old), 'u').test(value),
    rules: asBefore,
  }),
  format: restriction({ follows: never, rules: asBefore }),
  uniqueItems: restriction({ follows: (old) => old === false, rules: asBefore }),
  propertyNames: (comparer, { path, old, now }) =>
    comparer.compare(`${path}/propertyNames`, old.propertyNames ?? true, now.propertyNames ?? true),
  contains: compareContains,
  if: compareCondition,
  dependentRequired: compareDependencies,
  dependentSchemas: compareDependencies,
  dependencies: compareDependencies,
  not: compareNot,
  anyOf: union(compareAnyOf),
  oneOf: union(compareOneOf),
}

/** Compared with another keyword, or saying nothing of values. */
const elsewhere = [
  ...annotations,
  ...identities,
  'properties',
  'patternProperties',
  'additionalProperties',
  'unevaluatedProperties',
  'items',
  'prefixItems',
  'additionalItems',
  'minContains',
  'maxContains',
  'then',
  'else',
]
