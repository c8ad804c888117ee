import type { SampleMoments } from '../stats/moments'

/** Fields of the output that a release watches, and classes of one; `other` comes beyond the declared ones. */
export const maxOutputFields = 8
export const maxOutputClasses = 20

/** What an output showed of a watched field: the index of its class (one past the last: another), or its number. */
export type OutputValue = { readonly class: number } | { readonly number: number }

/** What applications tell of one field. Frozen in the entries of a release, so that all its units are told alike. */
export interface OutputField {
  /** A top-level key of the parsed output. */
  readonly field: string
  /** The classes that are told apart. Absent: the field is a number, and its mean is compared. */
  readonly classes?: readonly string[]
}

type FieldIndex = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7
type ClassIndex = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15 | 16 | 17 | 18 | 19 | 20
/** Named like all totals, flat and each by itself, so that a store can increment it. */
export type OutputTotalName = `class_${FieldIndex}_${ClassIndex}` | `number_${FieldIndex}_${keyof SampleMoments}`

/** By watched field (its index as text): units by class index, and moments of the units' values. */
export interface OutputStats {
  readonly classes: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly numbers: Readonly<Record<string, SampleMoments>>
}

/** The largest value that is taken; squares of it still add up exactly enough. */
export const largestOutput = 1e9

/** What an output shows of the watched fields; null where a field is absent or of another type. */
export function observedOutputs(fields: readonly OutputField[], output: unknown): readonly (OutputValue | null)[] {
  const shown = typeof output === 'object' && output !== null ? (output as Readonly<Record<string, unknown>>) : {}
  return fields.map(({ field, classes }) => {
    const value = Object.hasOwn(shown, field) ? shown[field] : undefined
    if (classes === undefined) {
      return typeof value === 'number' && Math.abs(value) <= largestOutput ? { number: value } : null
    }
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return null
    const index = classes.indexOf(String(value))
    return { class: index >= 0 ? index : classes.length }
  })
}

/** What is wrong with the values that a report claims for these fields; undefined where they can be true. */
export function outputFault(
  fields: readonly OutputField[] | undefined,
  outputs: readonly (OutputValue | null)[],
): string | undefined {
  if (outputs.length > (fields?.length ?? 0)) return 'it tells more output fields than the entry watches'
  for (const [index, value] of outputs.entries()) {
    if (value === null) continue
    const classes = fields?.[index]?.classes
    if ('class' in value ? classes === undefined || value.class > classes.length : classes !== undefined) {
      return `the value of output field ${index} is none that the entry names`
    }
  }
  return undefined
}

/** What one unit adds to its stratum. */
export function outputTotals(outputs: readonly (OutputValue | null)[] = []): Partial<Record<OutputTotalName, number>> {
  const totals: Record<string, number> = {}
  for (const [field, value] of outputs.entries()) {
    if (value === null) continue
    if ('class' in value) {
      totals[`class_${field}_${value.class}`] = 1
      continue
    }
    totals[`number_${field}_n`] = 1
    totals[`number_${field}_sum`] = value.number
    totals[`number_${field}_sumSquares`] = value.number * value.number
  }
  return totals
}

/** Empty where no output was told: most lanes watch none. */
export function outputStatsOf(totals: Readonly<Partial<Record<string, number>>>): { readonly outputs?: OutputStats } {
  const classes = new Map<string, Map<string, number>>()
  const numbers = new Map<string, { n: number; sum: number; sumSquares: number }>()
  for (const [name, value] of Object.entries(totals)) {
    const [kind, field, rest] = name.split('_')
    if (value === undefined || field === undefined || rest === undefined) continue
    if (kind === 'class') {
      const counts = classes.get(field) ?? new Map<string, number>()
      classes.set(field, counts.set(rest, value))
    } else if (kind === 'number') {
      const moments = numbers.get(field) ?? { n: 0, sum: 0, sumSquares: 0 }
      numbers.set(field, { ...moments, [rest]: value })
    }
  }
  if (classes.size + numbers.size === 0) return {}
  const outputs = {
    classes: Object.fromEntries([...classes].map(([field, counts]) => [field, Object.fromEntries(counts)])),
    numbers: Object.fromEntries(numbers),
  }
  return { outputs }
}
