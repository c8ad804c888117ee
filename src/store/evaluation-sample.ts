import type { SuiteCase } from '../domain/contents'
import type { Sample } from '../scorers/scorer'
import type { Callable } from './evaluation-plan'

/** Characters of an output that are scored; a longer one is cut, and is then no JSON. */
const maxScoredCharacters = 1_000_000
/** JSON that is nested deeper counts as no JSON: nothing useful is, and walking it would exhaust the stack. */
const maxDepth = 100

/** One output with its case, as scorers see it. */
export function sampleOf(one: SuiteCase, text: string, { schema }: Pick<Callable, 'schema'>): Sample {
  const whole = text.length <= maxScoredCharacters
  const parsed = whole ? parseJson(text) : undefined
  return {
    text: whole ? text : text.slice(0, maxScoredCharacters),
    input: one.input,
    expected: one.expected,
    ...(parsed === undefined ? {} : { parsed }),
    ...(schema ? { schema } : {}),
  }
}

function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return isDeeper(value, maxDepth) ? undefined : value
  } catch {
    return undefined
  }
}

const isDeeper = (value: unknown, depth: number): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (depth === 0 || Object.values(value).some((inner) => isDeeper(inner, depth - 1)))
