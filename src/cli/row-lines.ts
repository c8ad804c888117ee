import { isRecord, own, sameJson, shortJson } from '../domain/diff'
import { maxListedChanges, type RowChange, type RowDifference } from '../domain/row-change'
import { assertNever } from '../errors'

/** What differs between two datasets, row by row, in words. */
export function rowLines({ counts, isWhole, items, next }: RowDifference): readonly string[] {
  const { added, removed, changed, unchanged } = counts
  if (added + removed + changed === 0) return [`rows: all ${unchanged} are the same`]
  return [
    `rows: ${added} added, ${removed} removed, ${changed} changed, ${unchanged} the same`,
    ...(isWhole ? [] : [`  more than ${maxListedChanges} rows differ: those with the same id are not paired`]),
    ...items.flatMap(changeLines),
    ...(next === undefined ? [] : ['  and more: --rows shows up to 200, GET /v1/datasets/diff all of them']),
  ]
}

function changeLines(change: RowChange): readonly string[] {
  switch (change.change) {
    case 'added':
      return [`  + ${shortJson(change.row)}`]
    case 'removed':
      return [`  - ${shortJson(change.row)}`]
    case 'changed':
      return [`  ~ ${shortJson(change.id)}: ${keysOf(change.before.row, change.after.row).join(', ')}`]
    default:
      return assertNever(change)
  }
}

/** The top-level keys that differ, with both values. */
function keysOf(before: unknown, after: unknown): readonly string[] {
  if (!isRecord(before) || !isRecord(after)) return []
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
  return keys
    .filter((key) => !sameJson(own(before, key), own(after, key)))
    .map((key) => `${key} ${shortJson(own(before, key))} → ${shortJson(own(after, key))}`)
}
