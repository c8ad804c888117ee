import type { CaseOutcome, FieldShift } from './evaluation'

/** One case run by both arms. */
export interface OutcomePair {
  readonly candidate: CaseOutcome
  readonly incumbent: CaseOutcome
}

/** Keys of the outputs that are told, by name; further ones are left out. */
const maxFields = 100
/** Distinct keys that are followed at all, so that outputs with keys of their own each cost no memory without end. */
const maxSeenFields = 1_000
/** Texts of more distinct values, or of longer ones, are free text. */
const maxCategories = 20
const maxCategoryCharacters = 40

/** How each top-level key moved, the most moved first; free text last. */
export function outputShift(pairs: readonly OutcomePair[]): readonly FieldShift[] {
  const fold = new OutputShiftFold()
  for (const pair of pairs) fold.add(pair)
  return fold.shifts()
}

/** The same from pairs as they come: no output is kept, only sums and the first distinct short values of each field. */
export class OutputShiftFold {
  private pairs = 0
  private readonly fields = new Map<string, FieldFold>()

  /** A pair counts where both outputs are JSON objects. */
  add({ candidate, incumbent }: OutcomePair): void {
    if (!candidate.output || !incumbent.output) return
    const [before, after] = [incumbent.output, candidate.output]
    for (const field of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const known = this.fields.get(field)
      if (!known && this.fields.size >= maxSeenFields) continue
      const fold = known ?? new FieldFold()
      this.fields.set(field, fold)
      fold.add(before[field], after[field])
    }
    this.pairs += 1
  }

  shifts(): readonly FieldShift[] {
    return [...this.fields]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .slice(0, maxFields)
      .map(([field, fold]) => fold.shift(field, this.pairs))
      .sort((a, b) => Number(a.kind === 'text') - Number(b.kind === 'text') || b.changedShare - a.changedShare)
  }
}

class FieldFold {
  private changed = 0
  private readonly before = new ValueFold()
  private readonly after = new ValueFold()

  add(before: unknown, after: unknown): void {
    if (JSON.stringify(before) !== JSON.stringify(after)) this.changed += 1
    this.before.add(before)
    this.after.add(after)
  }

  shift(field: string, pairs: number): FieldShift {
    const kind = this.kind()
    const [before, after] = [this.before.level(kind), this.after.level(kind)]
    return {
      field,
      kind,
      pairs,
      changedShare: this.changed / pairs,
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? {} : { after }),
    }
  }

  private kind(): FieldShift['kind'] {
    return kindOf([this.before, this.after])
  }
}

/** How values of one key are compared: by what all of them are, absent ones aside. */
export function fieldKind(values: readonly unknown[]): FieldShift['kind'] {
  const fold = new ValueFold()
  for (const value of values) fold.add(value)
  return kindOf([fold])
}

function kindOf(sides: readonly ValueFold[]): FieldShift['kind'] {
  if (sides.every((side) => side.isAll('boolean'))) return 'boolean'
  if (sides.every((side) => side.isAll('number'))) return 'number'
  const distinct = new Set(sides.flatMap((side) => [...side.distinct]))
  return sides.every((side) => side.isShort) && distinct.size <= maxCategories ? 'category' : 'text'
}

/** One field of one arm: enough to tell what kind of values it has, and their level as that kind. */
class ValueFold {
  private values = 0
  private booleans = 0
  private numbers = 0
  private sumOfTrue = 0
  private sumOfNumbers = 0
  private characters = 0
  isShort = true
  /** Distinct values as JSON, no more than tell that there are too many. */
  readonly distinct = new Set<string>()

  add(value: unknown): void {
    if (value === undefined) return
    const json = JSON.stringify(value)
    this.values += 1
    if (typeof value === 'boolean') {
      this.booleans += 1
      this.sumOfTrue += value ? 1 : 0
    }
    if (typeof value === 'number') {
      this.numbers += 1
      this.sumOfNumbers += value
    }
    this.characters += typeof value === 'string' ? value.length : json.length
    if (json.length > maxCategoryCharacters) this.isShort = false
    else if (this.distinct.size <= maxCategories) this.distinct.add(json)
  }

  isAll(kind: 'boolean' | 'number'): boolean {
    return this.values === (kind === 'boolean' ? this.booleans : this.numbers)
  }

  level(kind: FieldShift['kind']): number | undefined {
    if (kind === 'category' || this.values === 0) return undefined
    const sums = { boolean: this.sumOfTrue, number: this.sumOfNumbers, text: this.characters }
    return sums[kind] / this.values
  }
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
