import type { GroupSums } from '../stats/grouped'
import type { CaseOutcome, Comparison, FieldShift, FieldVerdict } from './evaluation'
import { FieldFold } from './field-fold'
import { GroupFold } from './outcome-folds'

/** One case run by both arms. */
export interface OutcomePair {
  readonly candidate: CaseOutcome
  readonly incumbent: CaseOutcome
}

/** Keys of the outputs that are told, by name; further ones are left out. */
const maxFields = 100
/** Distinct keys that are followed at all, so that outputs with keys of their own each cost no memory without end. */
const maxSeenFields = 1_000
/** Fewer pairs than this tell nothing about a distribution. */
const minPairsOfDistribution = 20

/** How each top-level key moved, the most moved first; free text last. */
export function outputShift(pairs: readonly OutcomePair[]): readonly FieldShift[] {
  const fold = new OutputShiftFold()
  for (const pair of pairs) fold.add(pair)
  return fold.shifts()
}

const changedName = (field: string): string => `changed ${field}`
const comparedName = (field: string): string => `compared ${field}`
const differenceName = (field: string): string => `difference ${field}`

/** The same from pairs as they come: no output is kept, only sums, short values and numbers of each field. */
export class OutputShiftFold {
  private answered = 0
  private ofIncumbent = 0
  private pairs = 0
  private readonly fields = new Map<string, FieldFold>()
  private readonly groups = new GroupFold()

  /** A pair counts where both outputs are JSON objects. */
  add({ candidate, incumbent }: OutcomePair): void {
    if (candidate.status === 'error' || incumbent.status === 'error') return
    this.answered += 1
    if (incumbent.output) this.ofIncumbent += 1
    if (!candidate.output || !incumbent.output) return
    this.pairs += 1
    this.groups.add(candidate.group, this.figuresOf(candidate, incumbent.output, candidate.output))
  }

  shifts(): readonly FieldShift[] {
    return [...this.fields]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .slice(0, maxFields)
      .map(([field, fold]) =>
        fold.shift(field, this.pairs, {
          changed: this.groups.of(changedName(field)),
          difference: this.differencesOf(field),
        }),
      )
      .sort((a, b) => Number(a.kind === 'text') - Number(b.kind === 'text') || movedOf(b) - movedOf(a))
  }

  comparable(): NonNullable<Comparison['comparable']> {
    return { answered: this.answered, incumbent: this.ofIncumbent, both: this.pairs }
  }

  /** Only of the pairs that have a quantity on both sides. */
  private differencesOf(field: string): GroupSums {
    const { sums: counts } = this.groups.of(comparedName(field))
    const { sums } = this.groups.of(differenceName(field))
    const met = [...counts.keys()].filter((place) => (counts[place] ?? 0) > 0)
    return { counts: met.map((place) => counts[place] ?? 0), sums: met.map((place) => sums[place] ?? 0) }
  }

  private figuresOf(
    { caseId, repeat }: CaseOutcome,
    before: Readonly<Record<string, unknown>>,
    after: Readonly<Record<string, unknown>>,
  ): Readonly<Record<string, number>> {
    const figures: Record<string, number> = {}
    for (const field of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const known = this.fields.get(field)
      if (!known && this.fields.size >= maxSeenFields) continue
      const fold = known ?? new FieldFold()
      this.fields.set(field, fold)
      const pair = { caseId, repeat, before: ownValue(before, field), after: ownValue(after, field) }
      const { changed, difference } = fold.add(pair)
      figures[changedName(field)] = changed
      if (difference === undefined) continue
      figures[comparedName(field)] = 1
      figures[differenceName(field)] = difference
    }
    return figures
  }
}

const ownValue = (output: Readonly<Record<string, unknown>>, field: string): unknown =>
  Object.hasOwn(output, field) ? output[field] : undefined

const movedOf = ({ detail, changedShare }: FieldShift): number => detail?.moved ?? changedShare

/** The field that moved the most of those that are judged; undefined where there are none. */
export function largestShift(shifts: readonly FieldShift[]): FieldShift | undefined {
  return shifts
    .filter(({ kind }) => kind !== 'text')
    .reduce<FieldShift | undefined>(
      (largest, shift) => (largest === undefined || movedOf(shift) > movedOf(largest) ? shift : largest),
      undefined,
    )
}

/**
 * Each field against the policy's margin: `fail` is *different* (shifting), which is not *worse*. No evidence where too
 * few outputs of the candidate can be compared; not applicable to free text and where the incumbent answers no objects.
 */
export function judgeShifts(
  { shifts, comparable }: Pick<Comparison, 'shifts' | 'comparable'>,
  margin: number,
): readonly FieldVerdict[] {
  const open = comparable && openBecause(comparable)
  return shifts.map((shift) => ({ field: shift.field, ...(open ?? judgeShift(shift, margin)) }))
}

type Judged = Omit<FieldVerdict, 'field'>

function openBecause({ answered, incumbent, both }: NonNullable<Comparison['comparable']>): Judged | undefined {
  if (incumbent * 2 < answered) {
    const reason = `Only ${incumbent} of the incumbent's ${answered} outputs are JSON objects: its outputs are not fields.`
    return { verdict: 'not_applicable', reason }
  }
  if (both * 2 >= answered) return undefined
  return { verdict: 'no_evidence', reason: `Only ${both} of ${answered} pairs have a JSON object on both sides.` }
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`

function judgeShift(shift: FieldShift, margin: number): Judged {
  const { kind, pairs, detail } = shift
  if (kind === 'text') return { verdict: 'not_applicable', reason: 'Free text is shown, not judged.' }
  const moved = movedOf(shift)
  const verdict = moved > margin ? 'fail' : 'pass'
  const isDistribution = detail !== undefined && detail.measure !== 'changed_share'
  if (isDistribution && pairs < minPairsOfDistribution) {
    return { verdict: 'no_evidence', reason: `${pairs} pairs are too few to compare two distributions.` }
  }
  return { verdict, reason: `${movedText(shift, moved)}; margin ${percent(margin)}.` }
}

function movedText({ pairs, detail }: FieldShift, moved: number): string {
  if (detail?.measure === 'distance') return `The two distributions are ${percent(moved)} apart over ${pairs} pairs`
  if (detail?.measure === 'one_sided') return `One side alone has a number in ${percent(moved)} of ${pairs} pairs`
  const interval = detail ? ` (${percent(detail.changed.lower)} to ${percent(detail.changed.upper)} by group)` : ''
  return `It differs in ${percent(moved)}${interval} of ${pairs} pairs`
}
