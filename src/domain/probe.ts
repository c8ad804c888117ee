import { SluiceError } from '../errors'

export const probeProviderNames = ['prometheus'] as const
export type ProbeProviderName = (typeof probeProviderNames)[number]

/** `provider_down`: nobody answered, so asking again may help. `answer_unusable`: the answer is no single number. */
export type ProbeFault = 'provider_down' | 'answer_unusable'
export type ProbeAnswer = { readonly value: number } | { readonly fault: ProbeFault; readonly text: string }

/** What is known of a probe at one moment: the last value and, where the newest answer was none, what was wrong. */
export interface ProbeReading {
  readonly value?: number
  /** Of the value, by the store's clock. */
  readonly ageMs?: number
  readonly fault?: { readonly reason: ProbeFault; readonly text: string }
  /**
   * How long it has been asked without a break, and since when the newest answer is there, whatever it was. Absent: never
   * asked, or recorded before this was kept.
   */
  readonly askedForMs?: number
  readonly newestMs?: number
}

/** A provider that takes longer has not answered. */
export const probeTimeoutMs = 5_000
/** From the moment that a question is due to the one at which a tick sees its answer, at most. */
const probeAnswerMs = probeTimeoutMs + 1_000
/** Between two answers where somebody asks. */
export const probeGapMs = ({ everyMs }: { readonly everyMs: number }): number => everyMs + probeAnswerMs

/** What a query may name, as `{{task}}`. */
export const probePlaceholders = ['task', 'environment', 'release', 'candidate', 'incumbent'] as const
export type ProbePlaceholder = (typeof probePlaceholders)[number]
export type ProbePlace = Readonly<Partial<Record<ProbePlaceholder, string>>>

const placeholder = /\{\{\s*([^{}]*?)\s*\}\}/g
/** Ids, names and digests: none of them can end a string of a query language, nor be anything but itself within one. */
const plainValue = /^[A-Za-z0-9._:-]{1,256}$/

/** The names between double braces, known or not. */
export const placeholdersIn = (query: string): readonly string[] =>
  [...query.matchAll(placeholder)].map(([, name = '']) => name)

/** Throws `invalid_content` for a placeholder without a value, and for a value that could change the query. */
export function renderProbe(query: string, place: ProbePlace): string {
  return query.replace(placeholder, (_, name: ProbePlaceholder) => {
    const value = place[name]
    if (value === undefined || !plainValue.test(value)) {
      const text = `The query has no value for {{${name}}} that can stand in it.`
      throw new SluiceError('invalid_content', text, { placeholder: name })
    }
    return value
  })
}
