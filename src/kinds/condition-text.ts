import type { FilterCondition } from '../domain/contents'

/** A condition as people read it: `channel in "call", "chat" and not (seconds < 60)`. */
export function conditionText(condition: FilterCondition): string {
  if ('all' in condition) return condition.all.map(partText).join(' and ')
  if ('any' in condition) return condition.any.map(partText).join(' or ')
  if ('not' in condition) return `not (${conditionText(condition.not)})`
  const { attribute } = condition
  if ('eq' in condition) return `${attribute} = ${JSON.stringify(condition.eq)}`
  if ('in' in condition) return `${attribute} in ${condition.in.map((value) => JSON.stringify(value)).join(', ')}`
  if ('exists' in condition) return `${attribute} is ${condition.exists ? 'given' : 'not given'}`
  return 'gt' in condition ? `${attribute} > ${condition.gt}` : `${attribute} < ${condition.lt}`
}

const partText = (condition: FilterCondition): string =>
  'all' in condition || 'any' in condition || 'not' in condition
    ? `(${conditionText(condition)})`
    : conditionText(condition)
