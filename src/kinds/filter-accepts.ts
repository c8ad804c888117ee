import type { AttributeValue, FilterCondition, FilterContent } from '../domain/contents'

/** What an application knows of a conversation when it asks. */
export type Attributes = Readonly<Record<string, AttributeValue>>

/**
 * Whether a task takes a conversation. A missing attribute makes every comparison false (so `not` of it is true);
 * values of different types are never equal, and `gt` and `lt` hold for numbers only.
 */
export function accepts(filter: FilterContent, attributes: Attributes): boolean {
  return holds(filter.accept, attributes)
}

/** Whether a condition holds; see `accepts`. */
export function holds(condition: FilterCondition, attributes: Attributes): boolean {
  if ('all' in condition) return condition.all.every((part) => holds(part, attributes))
  if ('any' in condition) return condition.any.some((part) => holds(part, attributes))
  if ('not' in condition) return !holds(condition.not, attributes)
  const value = Object.hasOwn(attributes, condition.attribute) ? attributes[condition.attribute] : undefined
  if ('exists' in condition) return (value !== undefined) === condition.exists
  if (value === undefined) return false
  if ('eq' in condition) return value === condition.eq
  if ('in' in condition) return condition.in.includes(value)
  if (typeof value !== 'number') return false
  return 'gt' in condition ? value > condition.gt : value < condition.lt
}

/** The attributes a filter reads, sorted, each once. */
export function filterAttributes(filter: FilterContent): readonly string[] {
  return conditionAttributes([filter.accept])
}

/** The attributes that any of these reads, sorted, each once. */
export const conditionAttributes = (conditions: readonly FilterCondition[]): readonly string[] =>
  [...new Set(conditions.flatMap(attributesOf))].sort()

function attributesOf(condition: FilterCondition): readonly string[] {
  if ('all' in condition) return condition.all.flatMap(attributesOf)
  if ('any' in condition) return condition.any.flatMap(attributesOf)
  if ('not' in condition) return attributesOf(condition.not)
  return [condition.attribute]
}

/** Conditions within the filter, itself included, and how deep they stand. */
export function filterSize(condition: FilterCondition): { readonly count: number; readonly depth: number } {
  const parts = 'all' in condition ? condition.all : 'any' in condition ? condition.any : undefined
  const below = (parts ?? ('not' in condition ? [condition.not] : [])).map(filterSize)
  return {
    count: below.reduce((sum, size) => sum + size.count, 1),
    depth: Math.max(0, ...below.map((size) => size.depth)) + 1,
  }
}
