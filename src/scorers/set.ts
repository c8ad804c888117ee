import type { Figure } from '../domain/figures'
import { jsonKey } from './json-key'
import {
  choiceOption,
  flagOption,
  invalidOptions,
  type Scored,
  type Scorer,
  type ScorerOptions,
  textOption,
  valueAt,
  wrong,
} from './scorer'

/** Members of one list that are compared; a longer list is wrong. */
const maxMembers = 10_000
const maxToldMembers = 3

/**
 * A list against the label, whatever the order. Hits are the members that both have; precision = hits / members of the
 * output, recall = hits / members of the label, F1 = their harmonic mean (van Rijsbergen 1979), Jaccard = hits / members
 * of either (Jaccard 1912). Two empty lists agree: 1.
 */
export const set: Scorer = {
  name: 'set',
  options: {
    path: 'dots lead to the list in the JSON output; default the whole output',
    expected: 'dots lead to the labelled list within `expected`; default the same path, else `list`',
    separator: 'the output is text, and this stands between its members; `path` is then not taken',
    measure: '`f1`, `precision`, `recall`, `jaccard`, or `exact` (1 only where the lists have the same members)',
    ignoreCase: 'true: texts that differ in upper and lower case only are the same member',
    countRepeats: 'true: a member that stands twice counts twice; default once',
  },
  prepare(options) {
    const read = readerOf(options)
    const label = textOption(set, options, 'expected', typeof options.path === 'string' ? options.path : 'list')
    const measure = choiceOption(set, options, 'measure', ['f1', 'precision', 'recall', 'jaccard', 'exact'])
    const countsOf = counterOf(flagOption(set, options, 'ignoreCase'), flagOption(set, options, 'countRepeats'))
    return {
      score(sample) {
        const wanted = valueAt(sample.expected, label)
        if (!Array.isArray(wanted)) return wrong(`the case has no list ${label}`)
        const wantedCounts = countsOf(wanted)
        const got = read(sample)
        if (!Array.isArray(got) || got.length > maxMembers) {
          const fn = sizeOf(wantedCounts)
          const note = Array.isArray(got) ? `the list has more than ${maxMembers} members` : 'the output holds no list'
          return { ...wrong(note), parts: { tp: 0, fp: 0, fn } }
        }
        return scoreOf(measure, countsOf(got), wantedCounts)
      },
      figures: () => setFigures,
    }
  },
}

/** Micro averages: over the members of all cases together. */
const setFigures: readonly Figure[] = [
  { name: 'precision', ratios: [{ over: { tp: 1 }, under: { tp: 1, fp: 1 } }] },
  { name: 'recall', ratios: [{ over: { tp: 1 }, under: { tp: 1, fn: 1 } }] },
  { name: 'micro_f1', ratios: [{ over: { tp: 2 }, under: { tp: 2, fp: 1, fn: 1 } }] },
]

type Counts = ReadonlyMap<string, number>
type Measure = 'f1' | 'precision' | 'recall' | 'jaccard' | 'exact'

function readerOf(options: ScorerOptions): (sample: { readonly text: string; readonly parsed?: unknown }) => unknown {
  if (options.separator === undefined) {
    if (options.path === undefined) return ({ parsed }) => parsed
    const path = textOption(set, options, 'path')
    return ({ parsed }) => valueAt(parsed, path)
  }
  if (options.path !== undefined) invalidOptions(set.name, 'give path or separator, not both.')
  const separator = textOption(set, options, 'separator')
  return ({ text }) =>
    text
      .split(separator, maxMembers + 1)
      .map((member) => member.trim())
      .filter((member) => member !== '')
}

function counterOf(ignoreCase: boolean, countRepeats: boolean): (members: readonly unknown[]) => Counts {
  return (members) => {
    const counts = new Map<string, number>()
    for (const member of members) {
      const key = jsonKey(ignoreCase && typeof member === 'string' ? member.toLowerCase() : member)
      counts.set(key, countRepeats ? (counts.get(key) ?? 0) + 1 : 1)
    }
    return counts
  }
}

const sizeOf = (counts: Counts): number => [...counts.values()].reduce((sum, count) => sum + count, 0)

/** Members of `counts` that `others` lack, as far as they are told. */
const lacking = (counts: Counts, others: Counts): string =>
  [...counts.keys()]
    .filter((key) => (counts.get(key) ?? 0) > (others.get(key) ?? 0))
    .slice(0, maxToldMembers)
    .map((key) => key.slice(0, 60))
    .join(', ')

function scoreOf(measure: Measure, got: Counts, wanted: Counts): Scored {
  const tp = [...got].reduce((sum, [key, count]) => sum + Math.min(count, wanted.get(key) ?? 0), 0)
  const parts = { tp, fp: sizeOf(got) - tp, fn: sizeOf(wanted) - tp }
  const value = measured(measure, parts)
  if (value === 1) return { value, parts }
  const missing = parts.fn > 0 ? `${parts.fn} missing (${lacking(wanted, got)})` : ''
  const stray = parts.fp > 0 ? `${parts.fp} not wanted (${lacking(got, wanted)})` : ''
  return { value, note: [missing, stray].filter((text) => text !== '').join('; '), parts }
}

interface Agreement {
  readonly tp: number
  readonly fp: number
  readonly fn: number
}

/** 0 / 0 is 1 where both lists are empty; an empty output has precision 0 where something was wanted. */
function measured(measure: Measure, { tp, fp, fn }: Agreement): number {
  if (fp + fn === 0) return 1
  if (tp === 0) return 0
  const under = { f1: tp + (fp + fn) / 2, precision: tp + fp, recall: tp + fn, jaccard: tp + fp + fn }
  return measure === 'exact' ? 0 : tp / under[measure]
}
