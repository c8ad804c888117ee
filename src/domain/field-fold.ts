import { type GroupSums, quantileOf, shareOfSums, testOfSums } from '../stats/grouped'
import { sameJson } from './diff'
import type { ClassShare, FieldShift, ShiftDetail, ShiftExample, Spread } from './evaluation'
import { finiteShift } from './finite-shift'

/** Texts of more distinct values, or of longer ones, are free text; numbers of more are a distribution. */
const maxCategories = 20
const maxCategoryCharacters = 40
const maxExamples = 3
const maxExampleCharacters = 120
/** Numbers that are kept for the distributions of one field in one arm: those of the first pairs. */
const maxNumbers = 20_000
const absent = 'absent'
/** Classes that are no values: a field of numbers stays one where some of them are missing. */
const nothings = [absent, 'null']

/** One pair of values of a field, with the case that it comes from. */
export interface ValuePair {
  readonly caseId: string
  readonly repeat: number
  readonly before: unknown
  readonly after: unknown
}

/** One key of the outputs over the pairs that have it: no output is kept, only sums, short values and numbers. */
export class FieldFold {
  private changed = 0
  private pairs = 0
  /** Pairs with a quantity on one side alone. */
  private oneSided = 0
  private readonly before = new ValueFold()
  private readonly after = new ValueFold()
  private readonly examples: ShiftExample[] = []

  /** Whether the two values differ, and by how much where both are numbers or both booleans. */
  add({ caseId, repeat, before, after }: ValuePair): { readonly changed: 0 | 1; readonly difference?: number } {
    this.pairs += 1
    this.before.add(before)
    this.after.add(after)
    const quantities = [quantityOf(before), quantityOf(after)] as const
    const [from, to] = quantities
    const difference = from === undefined || to === undefined ? {} : { difference: to - from }
    if ((from === undefined) !== (to === undefined)) this.oneSided += 1
    if (before !== undefined && after !== undefined && sameJson(before, after)) return { changed: 0, ...difference }
    this.changed += 1
    if (this.examples.length < maxExamples) {
      this.examples.push({ caseId, repeat, before: shortText(before), after: shortText(after) })
    }
    return { changed: 1, ...difference }
  }

  /** `pairs`: those of all outputs; where both lack the key nothing moved. */
  shift(
    field: string,
    pairs: number,
    sums: { readonly changed: GroupSums; readonly difference: GroupSums },
  ): FieldShift {
    const kind = this.kind()
    const [before, after] = [this.before.level(kind), this.after.level(kind)]
    const changedShare = this.changed / pairs
    const detail = this.detail(kind, changedShare, pairs)
    const difference = kind === 'number' || kind === 'boolean' ? testOfSums(sums.difference) : undefined
    return finiteShift({
      field,
      kind,
      pairs,
      changedShare,
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? {} : { after }),
      detail: { ...detail, changed: shareOfSums(sums.changed), ...(difference ? { difference } : {}) },
    })
  }

  private detail(
    kind: FieldShift['kind'],
    changedShare: number,
    pairs: number,
  ): Omit<ShiftDetail, 'changed' | 'difference'> {
    const share = { measure: 'changed_share', moved: changedShare } as const
    if (kind === 'text') return { ...share, examples: [] }
    const spreads = [this.before.spread(), this.after.spread()] as const
    const spread = spreads[0] && spreads[1] ? { spread: { before: spreads[0], after: spreads[1] } } : {}
    const isContinuous = kind === 'number' && distinctOf([this.before, this.after]) > maxCategories
    if (!isContinuous)
      return { ...share, mix: this.mix(pairs), ...(kind === 'number' ? spread : {}), examples: this.examples }
    return { ...this.movedNumbers(pairs), ...spread, examples: this.examples }
  }

  /** The numbers that remain say nothing of those that are gone. */
  private movedNumbers(pairs: number): Pick<ShiftDetail, 'measure' | 'moved'> {
    const apart = distance(this.before.numbers, this.after.numbers)
    const oneSided = this.oneSided / pairs
    return oneSided > apart ? { measure: 'one_sided', moved: oneSided } : { measure: 'distance', moved: apart }
  }

  private mix(pairs: number): readonly ClassShare[] {
    const values = new Set([...this.before.classes.keys(), ...this.after.classes.keys()])
    const unmet = pairs - this.pairs
    if (unmet > 0) values.add(absent)
    const share = (side: ValueFold, value: string): number =>
      ((side.classes.get(value) ?? 0) + (value === absent ? unmet : 0)) / pairs
    const moved = ({ before, after }: ClassShare): number => Math.abs(after - before)
    return [...values]
      .sort()
      .map((value) => ({ value, before: share(this.before, value), after: share(this.after, value) }))
      .sort((a, b) => moved(b) - moved(a))
  }

  private kind(): FieldShift['kind'] {
    return kindOf([this.before, this.after])
  }
}

/** How values of one key are compared: by what all of them are, absent ones and `null` aside. */
export function fieldKind(values: readonly unknown[]): FieldShift['kind'] {
  const fold = new ValueFold()
  for (const value of values) fold.add(value)
  return kindOf([fold])
}

function kindOf(sides: readonly ValueFold[]): FieldShift['kind'] {
  for (const kind of ['boolean', 'number'] as const) {
    if (sides.some((side) => side.has(kind)) && sides.every((side) => side.isAll(kind))) return kind
  }
  return sides.every((side) => side.isShort) && distinctOf(sides) <= maxCategories ? 'category' : 'text'
}

function distinctOf(sides: readonly ValueFold[]): number {
  const values = new Set(sides.flatMap((side) => [...side.classes.keys()]))
  return values.size - nothings.filter((name) => values.has(name)).length
}

/** One field of one arm: enough to tell what kind of values it has, their level as that kind and their classes. */
class ValueFold {
  private values = 0
  private nulls = 0
  private booleans = 0
  private sumOfTrue = 0
  private numberCount = 0
  private sumOfNumbers = 0
  private characters = 0
  isShort = true
  readonly numbers: number[] = []
  /** Short values as JSON with their counts, no more than tell that there are too many. */
  readonly classes = new Map<string, number>()

  add(value: unknown): void {
    if (value === undefined) {
      this.count(absent)
      return
    }
    const json = JSON.stringify(value)
    this.values += 1
    if (value === null) this.nulls += 1
    if (typeof value === 'boolean') {
      this.booleans += 1
      this.sumOfTrue += value ? 1 : 0
    }
    if (typeof value === 'number') {
      this.numberCount += 1
      this.sumOfNumbers += value
      if (this.numbers.length < maxNumbers) this.numbers.push(value)
    }
    this.characters += typeof value === 'string' ? value.length : json.length
    if (json.length > maxCategoryCharacters) this.isShort = false
    else this.count(json)
  }

  private count(name: string): void {
    const known = this.classes.get(name)
    if (known !== undefined || this.classes.size <= maxCategories + nothings.length)
      this.classes.set(name, (known ?? 0) + 1)
  }

  has(kind: 'boolean' | 'number'): boolean {
    return this.countOf(kind) > 0
  }

  isAll(kind: 'boolean' | 'number'): boolean {
    return this.values - this.nulls === this.countOf(kind)
  }

  level(kind: FieldShift['kind']): number | undefined {
    if (kind === 'category') return undefined
    const sums = { boolean: this.sumOfTrue, number: this.sumOfNumbers, text: this.characters }
    const count = this.countOf(kind)
    return count === 0 ? undefined : sums[kind] / count
  }

  private countOf(kind: 'boolean' | 'number' | 'text'): number {
    return { boolean: this.booleans, number: this.numberCount, text: this.values }[kind]
  }

  spread(): Spread | undefined {
    const [p10, p50, p90] = [0.1, 0.5, 0.9].map((q) => quantileOf(this.numbers, q))
    return p10 === undefined || p50 === undefined || p90 === undefined ? undefined : { p10, p50, p90 }
  }
}

function quantityOf(value: unknown): number | undefined {
  if (typeof value === 'boolean') return value ? 1 : 0
  return typeof value === 'number' ? value : undefined
}

function shortText(value: unknown): string {
  const text = value === undefined ? absent : JSON.stringify(value)
  return text.length <= maxExampleCharacters ? text : `${text.slice(0, maxExampleCharacters)}…`
}

/** sup |F − G| of two samples (Kolmogorov 1933, Smirnov 1939); 0 where one of them is empty, 0..1. */
function distance(left: readonly number[], right: readonly number[]): number {
  if (left.length === 0 || right.length === 0) return 0
  const [own, other] = [left.toSorted((a, b) => a - b), right.toSorted((a, b) => a - b)]
  let [place, otherPlace, widest] = [0, 0, 0]
  while (place < own.length && otherPlace < other.length) {
    const value = Math.min(own[place] ?? 0, other[otherPlace] ?? 0)
    while (place < own.length && (own[place] ?? 0) <= value) place += 1
    while (otherPlace < other.length && (other[otherPlace] ?? 0) <= value) otherPlace += 1
    widest = Math.max(widest, Math.abs(place / own.length - otherPlace / other.length))
  }
  return widest
}
