import { isRecord, sameJson, shortJson } from '../domain/diff'
import type { Figure, Parts, Ratio } from '../domain/figures'
import { jsonKey } from './json-key'
import { invalidOptions, type Scorer, type ScorerOptions, valueAt } from './scorer'

const maxFields = 50
/** A class is a value that is this short as JSON; a field of longer values, or of more classes, has no macro average. */
const maxClassCharacters = 40
const maxClasses = 20
const maxToldFields = 5

/**
 * Several labelled fields of a JSON output; the score of a case is the share of them that is right. Over all cases each
 * field has an accuracy, an F1 and, where it has few classes, an F1 averaged over its classes. As in slot filling (MUC-5,
 * Chinchor and Sundheim 1993) a right value is a true positive, a value that is not wanted a false positive, a label that
 * is not met a false negative, so a wrong value is both. `null` is no value.
 */
export const fields: Scorer = {
  name: 'fields',
  options: {
    fields: 'list of the fields, each as dots that lead to it; or field → dots that lead to its label in `expected`',
  },
  prepare(options) {
    const paths = readPaths(options)
    return {
      score({ parsed, expected }) {
        const parts: Record<string, number> = {}
        const faults: string[] = []
        for (const { path, label } of paths) {
          const [got, wanted] = [presentAt(parsed, path), presentAt(expected, label)]
          if (!count(parts, path, got, wanted))
            faults.push(`${path} is ${shortJson(got)}, expected ${shortJson(wanted)}`)
        }
        const value = (paths.length - faults.length) / paths.length
        return { value, parts, ...(faults.length === 0 ? {} : { note: faults.slice(0, maxToldFields).join('; ') }) }
      },
      figures: (names) => figuresOf(paths, names),
    }
  },
}

interface FieldPath {
  readonly path: string
  readonly label: string
}

function readPaths({ fields: given }: ScorerOptions): readonly FieldPath[] {
  const entries: readonly (readonly [unknown, unknown])[] = Array.isArray(given)
    ? given.map((path): [unknown, unknown] => [path, path])
    : isRecord(given)
      ? Object.entries(given)
      : []
  const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
  const paths = entries.flatMap(([path, label]) => (isText(path) && isText(label) ? [{ path, label }] : []))
  if (paths.length === 0 || paths.length < entries.length) {
    invalidOptions(fields.name, 'fields must be a list of texts, or field → label, and not empty.')
  }
  if (paths.length > maxFields) invalidOptions(fields.name, `fields are more than ${maxFields}.`)
  if (new Set(paths.map(({ path }) => path)).size < paths.length) {
    invalidOptions(fields.name, 'fields name the same field twice.')
  }
  return paths
}

const presentAt = (value: unknown, path: string): unknown => valueAt(value, path) ?? undefined

type PartKind = 'right' | 'seen' | 'tp' | 'fp' | 'fn'

const partName = (kind: PartKind, path: string, ofClass = ''): string => JSON.stringify([kind, path, ofClass])

/** Adds what one field of one case counts for; false where it is wrong. */
function count(parts: Record<string, number>, path: string, got: unknown, wanted: unknown): boolean {
  const isRight = got === undefined || wanted === undefined ? got === wanted : sameJson(got, wanted)
  parts[partName('seen', path)] = 1
  if (isRight) parts[partName('right', path)] = 1
  if (got !== undefined) parts[partName(isRight ? 'tp' : 'fp', path, classOf(got))] = 1
  if (wanted !== undefined && !isRight) parts[partName('fn', path, classOf(wanted))] = 1
  return isRight
}

/** Long values are one class together, named by a text that no JSON value has. */
const longValue = '…'
function classOf(value: unknown): string {
  const key = jsonKey(value)
  return key.length > maxClassCharacters ? longValue : key
}

function figuresOf(paths: readonly FieldPath[], names: readonly string[]): readonly Figure[] {
  const met = names.map((name) => JSON.parse(name) as [PartKind, string, string])
  const classes = new Map(
    paths.map(({ path }) => [path, new Set(met.flatMap(([, of, name]) => (of === path && name !== '' ? [name] : [])))]),
  )
  const f1s = paths.map(({ path }) => f1Of(path, [...(classes.get(path) ?? [])]))
  const perField = paths.flatMap(({ path }, place): readonly Figure[] => {
    const known = [...(classes.get(path) ?? [])]
    const few = known.length > 1 && known.length <= maxClasses && !known.includes(longValue)
    return [
      { name: `${path}.accuracy`, ratios: [accuracyOf([path])] },
      { name: `${path}.f1`, ratios: f1s.slice(place, place + 1) },
      ...(few ? [{ name: `${path}.macro_f1`, ratios: known.map((one) => f1Of(path, [one])) }] : []),
    ]
  })
  return [
    { name: 'accuracy', ratios: [accuracyOf(paths.map(({ path }) => path))] },
    { name: 'micro_f1', ratios: [{ over: merged(f1s, 'over'), under: merged(f1s, 'under') }] },
    { name: 'macro_f1', ratios: f1s },
    ...perField,
  ]
}

const accuracyOf = (paths: readonly string[]): Ratio => ({
  over: Object.fromEntries(paths.map((path) => [partName('right', path), 1])),
  under: Object.fromEntries(paths.map((path) => [partName('seen', path), 1])),
})

/** F1 = 2 tp / (2 tp + fp + fn), over these classes of a field together. */
function f1Of(path: string, classes: readonly string[]): Ratio {
  const weights = (tp: number, rest: number): Parts =>
    Object.fromEntries(
      classes.flatMap((one) => [
        [partName('tp', path, one), tp],
        [partName('fp', path, one), rest],
        [partName('fn', path, one), rest],
      ]),
    )
  return { over: weights(2, 0), under: weights(2, 1) }
}

/** Fields share no part, so their weights stand side by side. */
const merged = (ratios: readonly Ratio[], side: keyof Ratio): Parts =>
  Object.assign({}, ...ratios.map((ratio) => ratio[side]))
