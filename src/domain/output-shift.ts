import type { CaseOutcome, FieldShift } from './evaluation'

/** One case run by both arms. */
export interface OutcomePair {
  readonly candidate: CaseOutcome
  readonly incumbent: CaseOutcome
}

/** Keys of the outputs that are looked at; further ones are left out. */
const maxFields = 100
/** Texts of more distinct values, or of longer ones, are free text. */
const maxCategories = 20
const maxCategoryCharacters = 40

/** How each top-level key moved, the most moved first; free text last. */
export function outputShift(pairs: readonly OutcomePair[]): readonly FieldShift[] {
  const outputs = pairs.flatMap(({ candidate, incumbent }) =>
    candidate.output && incumbent.output ? [{ before: incumbent.output, after: candidate.output }] : [],
  )
  const fields = new Set(outputs.flatMap(({ before, after }) => [...Object.keys(before), ...Object.keys(after)]))
  return [...fields]
    .sort()
    .slice(0, maxFields)
    .map((field) =>
      fieldShift(
        field,
        outputs.map(({ before, after }) => ({ before: before[field], after: after[field] })),
      ),
    )
    .sort((a, b) => Number(a.kind === 'text') - Number(b.kind === 'text') || b.changedShare - a.changedShare)
}

interface ValuePair {
  readonly before: unknown
  readonly after: unknown
}

function fieldShift(field: string, values: readonly ValuePair[]): FieldShift {
  const kind = fieldKind(values.flatMap(({ before, after }) => [before, after]))
  const changed = values.filter(({ before, after }) => JSON.stringify(before) !== JSON.stringify(after)).length
  return {
    field,
    kind,
    pairs: values.length,
    changedShare: changed / values.length,
    ...level(
      kind,
      'before',
      values.map(({ before }) => before),
    ),
    ...level(
      kind,
      'after',
      values.map(({ after }) => after),
    ),
  }
}

/** How values of one key are compared: by what all of them are, absent ones aside. */
export function fieldKind(values: readonly unknown[]): FieldShift['kind'] {
  const all = values.filter((value) => value !== undefined)
  if (all.every((value) => typeof value === 'boolean')) return 'boolean'
  if (all.every((value) => typeof value === 'number')) return 'number'
  const distinct = new Set(all.map((value) => JSON.stringify(value)))
  const isShort = [...distinct].every((value) => value.length <= maxCategoryCharacters)
  return isShort && distinct.size <= maxCategories ? 'category' : 'text'
}

function level(kind: FieldShift['kind'], name: 'before' | 'after', values: readonly unknown[]): Partial<FieldShift> {
  if (kind === 'category') return {}
  const numbers = values.filter((value) => value !== undefined).map((value) => quantity(kind, value))
  if (numbers.length === 0) return {}
  return { [name]: numbers.reduce((sum, value) => sum + value, 0) / numbers.length }
}

function quantity(kind: FieldShift['kind'], value: unknown): number {
  if (kind === 'number') return value as number
  if (kind === 'boolean') return value === true ? 1 : 0
  return typeof value === 'string' ? value.length : JSON.stringify(value).length
}

/** The largest share of changed values over the fields that are judged; 0 where there are none. */
export function largestShift(shifts: readonly FieldShift[]): FieldShift | undefined {
  return shifts
    .filter(({ kind }) => kind !== 'text')
    .reduce<FieldShift | undefined>(
      (largest, shift) => (largest === undefined || shift.changedShare > largest.changedShare ? shift : largest),
      undefined,
    )
}
