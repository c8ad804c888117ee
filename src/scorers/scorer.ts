import type { JudgeVariable } from '../domain/contents'
import type { Figure, Parts } from '../domain/figures'
import { SluiceError } from '../errors'

/** One output of a task, with what the case expects. */
export interface Sample {
  /** As an application gets it: post-processed; tools that the engine calls as `{ "toolCalls": [{ name, arguments }] }`. */
  readonly text: string
  /** The text as JSON; absent where it is not JSON. */
  readonly parsed?: unknown
  readonly input: Readonly<Record<string, unknown>>
  readonly expected: Readonly<Record<string, unknown>>
  /**
   * Where the answer does not fit what the composite under test asks of it: its schema, its tools, its post-processing.
   * Empty: it fits. Absent: the composite asks nothing of it.
   */
  readonly mismatches?: readonly { readonly path: string; readonly message: string }[]
}

/** 0 (wrong) to 1 (right). */
export interface Scored {
  readonly value: number
  /** What is wrong with it, for people. */
  readonly note?: string
  /** Counts that the scorer's figures over all cases are made of. */
  readonly parts?: Parts
}

/** There is no evidence on this case, and why: it counts neither as right nor as wrong. */
export interface Unscored {
  readonly unscored: string
}

export type Score = Scored | Unscored

export type ScorerOptions = Readonly<Record<string, unknown>>

/** What scorers may use of the product. */
export interface ScorerTools {
  /** The same check that applications get; called again for the same schema it costs nothing. */
  compileSchema(
    schema: Readonly<Record<string, unknown>>,
  ): (value: unknown) => readonly { readonly path: string; readonly message: string }[]
  /** Why a regular expression is not safe to run on an output; undefined where it is. */
  patternFault(pattern: string): string | undefined
  /** The suite's judges by name, with the variables that the prompt of each has. */
  readonly judges: Readonly<Record<string, readonly string[]>>
}

/** What a scorer wants to have asked of a pinned judge before it scores. */
export interface JudgeRequest {
  /** Name of one of the suite's judges. */
  readonly judge: string
  /** How often each output is judged, every time with another seed. */
  readonly repeats: number
  /** What the variables of the judge's prompt are given; the same sample gives the same. */
  values(sample: Sample): Readonly<Record<JudgeVariable, string>>
}

/** A scorer with its options checked. The same sample gets the same score. */
export interface PreparedScorer {
  /**
   * `answers` are the judge's, one for each repeat, undefined where it gave none; empty without `asks`.
   * Throws `ScorerFault` where the scorer itself does not work.
   */
  score(sample: Sample, answers: readonly (string | undefined)[]): Score | Promise<Score>
  readonly asks?: JudgeRequest
  /** Figures over all cases, from the names of all parts that were met, sorted. */
  figures?(parts: readonly string[]): readonly Figure[]
  /** Ends what scoring has started. */
  close?(): Promise<void>
}

export interface Scorer {
  readonly name: string
  /** Option → what it means; also the list of those it takes. */
  readonly options: Readonly<Record<string, string>>
  /** Checks the options once. Throws `invalid_content`. */
  prepare(options: ScorerOptions, tools: ScorerTools): PreparedScorer
}

/** A scorer that does not work on a sample, through no fault of the output. */
export class ScorerFault extends Error {}

export const right: Scored = { value: 1 }
export const wrong = (note: string): Scored => ({ value: 0, note })

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

/** A whole number within bounds; `fallback` where it is absent. */
export function countOption(
  scorer: Scorer,
  options: ScorerOptions,
  name: string,
  { least, most, fallback }: { readonly least: number; readonly most: number; readonly fallback: number },
): number {
  const value = options[name] ?? fallback
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
  return invalidOptions(scorer.name, `${name} must be a whole number from ${least} to ${most}.`)
}

/** true or false; false where it is absent. */
export function flagOption(scorer: Scorer, options: ScorerOptions, name: string): boolean {
  const value = options[name] ?? false
  return typeof value === 'boolean' ? value : invalidOptions(scorer.name, `${name} must be true or false.`)
}

/** One of a few words; the first where it is absent. */
export function choiceOption<Word extends string>(
  scorer: Scorer,
  options: ScorerOptions,
  name: string,
  words: readonly [Word, ...Word[]],
): Word {
  const value = options[name] ?? words[0]
  return words.find((word) => word === value) ?? invalidOptions(scorer.name, `${name} must be ${words.join(' or ')}.`)
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
