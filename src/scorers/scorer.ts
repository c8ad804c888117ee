import { SluiceError } from '../errors'

/** One output of a task, with what the case expects. */
export interface Sample {
  readonly text: string
  /** The text as JSON; absent where it is not JSON. */
  readonly parsed?: unknown
  readonly expected: Readonly<Record<string, unknown>>
  /** JSON Schema of the composite under test, where it has one. */
  readonly schema?: Readonly<Record<string, unknown>>
}

/** 0 (wrong) to 1 (right). `note` says what is wrong with it, for people. */
export interface Score {
  readonly value: number
  readonly note?: string
}

export type ScorerOptions = Readonly<Record<string, unknown>>

/** What scorers may use of the product. */
export interface ScorerTools {
  /** The same check that applications get; called again for the same schema it costs nothing. */
  compileSchema(
    schema: Readonly<Record<string, unknown>>,
  ): (value: unknown) => readonly { readonly path: string; readonly message: string }[]
}

export interface Scorer {
  readonly name: string
  /** Option → what it means; also the list of those it takes. */
  readonly options: Readonly<Record<string, string>>
  /** Checks the options once and gives the function that scores. Throws `invalid_content`. */
  prepare(options: ScorerOptions, tools: ScorerTools): (sample: Sample) => Score
}

export const right: Score = { value: 1 }
export const wrong = (note: string): Score => ({ value: 0, note })

export function invalidOptions(scorer: string, message: string): never {
  throw new SluiceError('invalid_content', `Options of the scorer ${scorer}: ${message}`, { scorer })
}

/** A text option; `fallback` where it is absent. */
export function textOption(scorer: Scorer, options: ScorerOptions, name: string, fallback?: string): string {
  const value = options[name] ?? fallback
  return typeof value === 'string' && value !== '' ? value : invalidOptions(scorer.name, `${name} must be a text.`)
}

/** A finite number ≥ 0; `fallback` where it is absent. */
export function numberOption(scorer: Scorer, options: ScorerOptions, name: string, fallback?: number): number {
  const value = options[name] ?? fallback
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
  return invalidOptions(scorer.name, `${name} must be a number of at least 0.`)
}

/** Follows a path of dots (`report.csat`, `items.0`); undefined where it leads nowhere. */
export function valueAt(value: unknown, path: string): unknown {
  let current = value
  for (const key of path.split('.')) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, key)) return undefined
    current = (current as Record<string, unknown>)[key]
  }
  return current
}
