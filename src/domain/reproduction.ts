import { assertNever } from '../errors'
import { clopperPearsonLower } from '../stats/binomial-interval'
import { fieldKind } from './field-fold'

/** One output of the engine: its parsed JSON where it is JSON, and whether it fits the composite's schema. */
export interface ReproducedOutput {
  readonly output: unknown
  readonly valid: boolean
}

/** `fits` and `does_not_fit` are shown; `cannot_tell` is what is left. */
export type ReproductionVerdict = 'fits' | 'does_not_fit' | 'cannot_tell'

export interface FieldAgreement {
  readonly field: string
  /** How outputs are compared in it. `not_judged`: no two outputs agree and nothing measures how far apart they are. */
  readonly kind: 'number' | 'category' | 'text' | 'not_judged'
  /** Share of the repeats that say exactly what the logged output says. */
  readonly matches: number
  /** Conformal p-value of this field alone; for reading, the verdict is on all fields together. */
  readonly pValue: number
}

/** How the logged output stands among the repeats of the same call. */
export interface Belonging {
  readonly repeats: number
  readonly fields: readonly FieldAgreement[]
  /** Share of the repeats that equal the logged output in every field. */
  readonly matches: number
  /** Of the repeats, at least as unusual as the logged output. */
  readonly asUnusual: number
  /** (1 + asUnusual) / (1 + repeats). */
  readonly pValue: number
  /** The least p-value that so many repeats can give. */
  readonly leastPValue: number
  /** Lower bound, at level alpha, of how often the engine gives something at least as unusual. */
  readonly typicalAtLeast: number
}

/** How far the repeats of a request lie apart, against those of the evaluated cases. */
export interface Spread {
  readonly cases: number
  readonly outputs: number
  /** Share of the fields in which two outputs of this request, or of a case, differ in the mean. */
  readonly own: number
  readonly ofCases: number
  readonly pValue: number
}

export interface ReproductionFinding {
  readonly verdict: ReproductionVerdict
  /** At most this share of the requests whose engine did not change is told `does_not_fit`. */
  readonly alpha: number
  readonly reasons: readonly string[]
  readonly belonging?: Belonging
  readonly spread?: Spread
  /** A logged output of a sort that the engine now gives this rarely, or more rarely, is noticed in 80 of 100 requests. */
  readonly noticesBelow?: number
}

export interface ReproductionQuestion {
  /** Absent: nothing was captured or given to compare with. */
  readonly logged?: ReproducedOutput
  readonly repeats: readonly ReproducedOutput[]
  /** Outputs of each evaluated case, its repeats in order. Cases with one output say nothing. */
  readonly cases: readonly (readonly ReproducedOutput[])[]
  readonly alpha: number
}

const maxFields = 100
/** Named so that no key of an output is likely to meet it. */
const validity = '(valid)'
const wantedPower = 0.8

/**
 * Whether a logged output is one that the engine still gives, by conformal prediction (Vovk, Gammerman, Shafer 2005): under
 * exchangeability of the logged output with its repeats the p-value is valid at any number of repeats, without a model
 * of the outputs. The fields' scores are added up, and the sum is itself a score of one output among all: it needs no
 * correction for several fields, which with so few repeats would leave no power. Beside it the spread of the repeats against those of evaluated cases, which takes the request for
 * one like them; alpha is divided between the two by what their sizes can show, never by what they found.
 */
export function judgeReproduction(question: ReproductionQuestion): ReproductionFinding {
  const { logged, repeats, alpha } = question
  const perCase = Math.max(0, ...question.cases.map((one) => one.length))
  const cases = question.cases.filter((one) => one.length === perCase && perCase >= 2)
  const hasSpread = cases.length > 0 && repeats.length + (logged ? 1 : 0) >= perCase
  const shares = sharesOfAlpha({
    alpha,
    repeats: logged === undefined ? 0 : repeats.length,
    cases: hasSpread ? cases.length : 0,
  })
  const belonging = logged && repeats.length > 0 ? belongingOf(logged, repeats, alpha) : undefined
  const spread = hasSpread ? spreadOf([...(logged ? [logged] : []), ...repeats], cases, perCase) : undefined
  const reasons = [
    ...(belonging === undefined ? ['there is no logged output to compare with'] : []),
    ...(belonging && shares.belonging > 0 && belonging.pValue <= shares.belonging ? [strange(belonging)] : []),
    ...(spread && shares.spread > 0 && spread.pValue <= shares.spread ? [apart(spread)] : []),
  ]
  const rejected = reasons.length > (belonging === undefined ? 1 : 0)
  const notices = noticedBelow(repeats.length, shares.belonging)
  return {
    ...verdictOf({ rejected, belonging, reasons, alpha }),
    alpha,
    ...(belonging ? { belonging } : {}),
    ...(spread ? { spread } : {}),
    ...(belonging && notices !== undefined ? { noticesBelow: notices } : {}),
  }
}

function verdictOf(of: {
  readonly rejected: boolean
  readonly belonging: Belonging | undefined
  readonly reasons: readonly string[]
  readonly alpha: number
}): Pick<ReproductionFinding, 'verdict' | 'reasons'> {
  const { rejected, belonging, reasons, alpha } = of
  if (rejected) return { verdict: 'does_not_fit', reasons }
  if (belonging === undefined) return { verdict: 'cannot_tell', reasons }
  if (belonging.fields.every(({ field, kind }) => field === validity || kind === 'not_judged')) {
    return { verdict: 'cannot_tell', reasons: ['no two outputs agree in anything that can be compared'] }
  }
  const { asUnusual, repeats, typicalAtLeast, leastPValue } = belonging
  if (typicalAtLeast >= alpha) {
    return {
      verdict: 'fits',
      reasons: [`${asUnusual} of ${repeats} repeats are at least as unusual as the logged output`],
    }
  }
  const few = `${asUnusual} of ${repeats} repeats are at least as unusual as the logged output: too few to call it usual`
  if (leastPValue <= alpha) return { verdict: 'cannot_tell', reasons: [`${few}, too many to call it strange`] }
  const wanted = Math.ceil(1 / alpha) - 1
  return { verdict: 'cannot_tell', reasons: [`${few}; ${wanted} repeats or more could call it strange`] }
}

const strange = ({ asUnusual, repeats, pValue }: Belonging): string =>
  `only ${asUnusual} of ${repeats} repeats are as unusual as the logged output (p = ${pValue.toFixed(3)})`

const apart = ({ own, ofCases, pValue }: Spread): string =>
  `outputs differ in ${percent(own)} of their fields, those of evaluated cases in ${percent(ofCases)} (p = ${pValue.toFixed(3)})`

const percent = (share: number): string => `${(share * 100).toFixed(0)} %`

/** Both get half where both can reject at half; else the one that can reject at all, the logged output's first. */
function sharesOfAlpha(of: { readonly alpha: number; readonly repeats: number; readonly cases: number }): {
  readonly belonging: number
  readonly spread: number
} {
  const can = (size: number, level: number): boolean => size > 0 && 1 / (size + 1) <= level
  const { alpha, repeats, cases } = of
  if (can(repeats, alpha / 2) && can(cases, alpha / 2)) return { belonging: alpha / 2, spread: alpha / 2 }
  if (can(repeats, alpha)) return { belonging: alpha, spread: 0 }
  return { belonging: 0, spread: can(cases, alpha) ? alpha : 0 }
}

function belongingOf(logged: ReproducedOutput, repeats: readonly ReproducedOutput[], alpha: number): Belonging {
  const rows = [logged, ...repeats].map(fieldsOf)
  const names = [...new Set(rows.flatMap((row) => [...row.keys()]))].sort().slice(0, maxFields)
  const columns = names.map((field) => columnOf(field, rows))
  const judged = columns.filter(({ kind }) => kind !== 'not_judged')
  const combined = rows.map((_, place) => rounded(judged.reduce((sum, { scores }) => sum + (scores[place] ?? 0), 0)))
  const own = combined[0] ?? 0
  const asUnusual = combined.slice(1).filter((score) => score >= own).length
  const keys = rows.map((row) => JSON.stringify([...row].sort(byName)))
  const n = repeats.length
  return {
    repeats: n,
    fields: columns.map(({ field, kind, matches, pValues }) => ({ field, kind, matches, pValue: pValues[0] ?? 1 })),
    matches: keys.slice(1).filter((key) => key === keys[0]).length / n,
    asUnusual,
    pValue: (1 + asUnusual) / (n + 1),
    leastPValue: 1 / (n + 1),
    typicalAtLeast: clopperPearsonLower(asUnusual, n, alpha),
  }
}

/** By the name alone, which is unique: a value may be an object that cannot be made a text. */
const byName = ([left]: readonly [string, unknown], [right]: readonly [string, unknown]): number =>
  left < right ? -1 : 1

/** Field → value as text, for comparing; whether it fits its schema is a field too. */
function fieldsOf({ output, valid }: ReproducedOutput): ReadonlyMap<string, unknown> {
  const isObject = typeof output === 'object' && output !== null && !Array.isArray(output)
  return new Map<string, unknown>([
    [validity, valid],
    ...(isObject ? Object.entries(output) : [['(output)', output] as const]),
  ])
}

interface Column {
  readonly field: string
  readonly kind: FieldAgreement['kind']
  readonly matches: number
  /** How strange each output is among all, in the unit of what is usual here: 1 is as far off as the mean. */
  readonly scores: readonly number[]
  /** Of each output, the share of all that are at least as strange. */
  readonly pValues: readonly number[]
}

function columnOf(field: string, rows: readonly ReadonlyMap<string, unknown>[]): Column {
  const values = rows.map((row) => row.get(field))
  const texts = values.map((value) => JSON.stringify(value) ?? '')
  const matches = texts.slice(1).filter((text) => text === texts[0]).length / Math.max(1, texts.length - 1)
  const measured = fieldKind(values)
  // A number that some outputs leave out has no distance from them.
  const isPartial = values.some((value) => value === undefined || value === null)
  const kind = measured === 'boolean' || (measured === 'number' && isPartial) ? 'category' : measured
  const scores = scoresOf(kind, values, texts)
  const silent = new Set(scores).size === 1 && texts.length > 1 && new Set(texts).size === texts.length
  const pValues = scores.map((score) => scores.filter((other) => other >= score).length / scores.length)
  return { field, kind: silent ? 'not_judged' : kind, matches, scores, pValues }
}

/** Every score is a symmetric function of all outputs, which is what makes the p-value valid. */
function scoresOf(
  kind: 'number' | 'category' | 'text',
  values: readonly unknown[],
  texts: readonly string[],
): readonly number[] {
  switch (kind) {
    case 'number':
      return inMeans(fromMedian(values as readonly number[]))
    case 'text':
      return inDeviations(fromWords(values))
    case 'category':
      return surprise(texts)
    default:
      return assertNever(kind)
  }
}

/** −log of the share that says the same. */
function surprise(texts: readonly string[]): readonly number[] {
  const counts = new Map<string, number>()
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1)
  return texts.map((text) => rounded(Math.log(texts.length / (counts.get(text) ?? 1))))
}

function fromMedian(values: readonly number[]): readonly number[] {
  const sorted = values.toSorted((left, right) => left - right)
  const middle = ((sorted[(sorted.length - 1) >> 1] ?? 0) + (sorted[sorted.length >> 1] ?? 0)) / 2
  return values.map((value) => Math.abs(value - middle))
}

/** Mean Jaccard distance of the word sets to all others: how unlike the others a text is, whatever its order. */
function fromWords(values: readonly unknown[]): readonly number[] {
  const sets = values.map(
    (value) =>
      new Set(
        String(JSON.stringify(value) ?? '')
          .toLowerCase()
          .match(/[\p{L}\p{N}]+/gu) ?? [],
      ),
  )
  return sets.map((own) => sets.reduce((sum, other) => sum + jaccardDistance(own, other), 0) / sets.length)
}

function inMeans(distances: readonly number[]): readonly number[] {
  const mean = meanOf(distances)
  return distances.map((distance) => (mean > 0 ? rounded(distance / mean) : 0))
}

/** Texts are all some way apart, so what counts is how much further than that. */
function inDeviations(distances: readonly number[]): readonly number[] {
  const mean = meanOf(distances)
  const deviation = Math.sqrt(meanOf(distances.map((distance) => (distance - mean) ** 2)))
  return distances.map((distance) => (rounded(deviation) > 0 ? rounded(Math.max(0, distance - mean) / deviation) : 0))
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** The same numbers added in another order are the same score. */
const rounded = (value: number): number => Math.round(value * 1e9) / 1e9

function jaccardDistance(left: ReadonlySet<string>, right: ReadonlySet<string>): number {
  if (left.size + right.size === 0) return 0
  let shared = 0
  for (const word of left) if (right.has(word)) shared += 1
  return 1 - shared / (left.size + right.size - shared)
}

/** The first output of a request, and of each case, against the ones after it: made alike, so that they compare. */
function spreadOf(
  outputs: readonly ReproducedOutput[],
  cases: readonly (readonly ReproducedOutput[])[],
  perCase: number,
): Spread {
  const own = disagreement(outputs.slice(0, perCase))
  const others = cases.map(disagreement)
  const asFar = others.filter((other) => other >= own).length
  return {
    cases: cases.length,
    outputs: perCase,
    own,
    ofCases: others.reduce((sum, other) => sum + other, 0) / others.length,
    pValue: (1 + asFar) / (cases.length + 1),
  }
}

/** Mean share of the fields in which an output differs from the first; free text is left out. */
function disagreement(outputs: readonly ReproducedOutput[]): number {
  const [first, ...rest] = outputs.map(fieldsOf)
  if (first === undefined || rest.length === 0) return 0
  const shares = rest.map((other) => {
    const names = [...new Set([...first.keys(), ...other.keys()])].slice(0, maxFields)
    const judged = names.filter((name) => fieldKind([first.get(name), other.get(name)]) !== 'text')
    const differing = judged.filter((name) => JSON.stringify(first.get(name)) !== JSON.stringify(other.get(name)))
    return judged.length === 0 ? 0 : differing.length / judged.length
  })
  return rounded(shares.reduce((sum, share) => sum + share, 0) / shares.length)
}

/** The largest probability of a sort of output at which none, or few enough, of the repeats are of it with 80 % power. */
function noticedBelow(repeats: number, level: number): number | undefined {
  const allowed = Math.floor(level * (repeats + 1)) - 1
  if (allowed < 0) return undefined
  let low = 0
  let high = 1
  for (let step = 0; step < 50; step += 1) {
    const middle = (low + high) / 2
    if (atMost(allowed, repeats, middle) >= wantedPower) low = middle
    else high = middle
  }
  return low
}

function atMost(hits: number, trials: number, probability: number): number {
  let term = (1 - probability) ** trials
  let sum = term
  for (let hit = 1; hit <= hits; hit += 1) {
    term *= ((trials - hit + 1) / hit) * (probability / (1 - probability))
    sum += term
  }
  return sum
}
