import { isRecord, sameJson, shortJson } from '../domain/diff'
import { compilePattern } from '../domain/pattern'
import { right, type Sample, type Score, type Scorer, type ScorerTools, textOption, valueAt, wrong } from './scorer'

/** One thing that a case says of its output. Unknown kinds and missing values fail, so that nothing passes unread. */
export interface CaseCheck {
  readonly check: CheckName
  /** What the check takes: a text, several of which one is enough, a pattern, a JSON value or a JSON Schema. */
  readonly value?: unknown
  /** Upper and lower case are the same. */
  readonly ignoreCase?: boolean
  /** The opposite has to hold. */
  readonly not?: boolean
  /** How much it counts; default 1. */
  readonly weight?: number
}

type Hold = (value: unknown, sample: Sample, tools: ScorerTools) => boolean

/** Every check by its name in cases. */
export const caseChecks = {
  /** The whole text is one of these. */
  equals: (value, { text }) => texts(value).includes(text),
  'starts-with': (value, { text }) => texts(value).some((wanted) => text.startsWith(wanted)),
  'contains-any': (value, { text }) => texts(value).some((wanted) => text.includes(wanted)),
  'contains-all': (value, { text }) => texts(value).every((wanted) => text.includes(wanted)),
  /** A JavaScript regular expression without flags, one that takes time in proportion to the text. */
  matches: (value, { text }) => texts(value).some((pattern) => compilePattern(pattern, '').test(text)),
  /** The text is JSON. */
  json: (_value, { parsed }) => parsed !== undefined,
  /** The text is JSON of this value, whatever the order of its keys. */
  'json-equals': (value, { parsed }) => parsed !== undefined && sameJson(parsed, value),
  'json-schema': (value, { parsed }, { compileSchema }) =>
    parsed !== undefined && isRecord(value) && compileSchema(value)(parsed).length === 0,
} as const satisfies Readonly<Record<string, Hold>>

export type CheckName = keyof typeof caseChecks

/** Checks of one case. */
const maxChecks = 100

/** Each case brings checks of its own in `expected`; the score is the weighted share of those that hold. */
export const checks: Scorer = {
  name: 'checks',
  options: { expected: 'dots lead to the list of checks within `expected`; default `checks`' },
  prepare(options, tools) {
    const path = textOption(checks, options, 'expected', 'checks')
    return {
      score(sample) {
        const list = valueAt(sample.expected, path)
        if (!Array.isArray(list) || list.length === 0) return wrong(`the case has no checks at ${path}`)
        if (list.length > maxChecks) return wrong(`the case has more than ${maxChecks} checks`)
        return scoreOf(list, sample, tools)
      },
    }
  },
}

function scoreOf(list: readonly unknown[], sample: Sample, tools: ScorerTools): Score {
  let whole = 0
  let held = 0
  const failed: string[] = []
  for (const entry of list) {
    const { holds, weight } = judge(entry, sample, tools)
    whole += weight
    if (holds) held += weight
    else failed.push(textOf(entry))
  }
  if (failed.length === 0) return right
  return { value: whole === 0 ? 0 : held / whole, note: failed.slice(0, maxTold).join('; ') }
}
const maxTold = 3

function judge(entry: unknown, sample: Sample, tools: ScorerTools) {
  if (!isRecord(entry) || !isCheckName(entry.check)) return { holds: false, weight: 1 }
  const weight = typeof entry.weight === 'number' && entry.weight > 0 ? entry.weight : 1
  const hold: Hold = caseChecks[entry.check]
  const folded = entry.ignoreCase === true
  const seen = folded ? { ...sample, text: sample.text.toLowerCase() } : sample
  try {
    const holds = hold(folded ? lowerCase(entry.value) : entry.value, seen, tools)
    return { holds: entry.not === true ? !holds : holds, weight }
  } catch {
    // A pattern or schema that cannot be used says nothing of the output.
    return { holds: false, weight }
  }
}

export const isCheckName = (name: unknown): name is CheckName =>
  typeof name === 'string' && Object.hasOwn(caseChecks, name)

const texts = (value: unknown): readonly string[] =>
  (Array.isArray(value) ? value : [value]).map((one: unknown) => {
    if (typeof one === 'string') return one
    throw new TypeError('a check compares texts')
  })

const lowerCase = (value: unknown): unknown => texts(value).map((text) => text.toLowerCase())

function textOf(entry: unknown): string {
  if (!isRecord(entry) || !isCheckName(entry.check)) return `${shortJson(entry)} is no check`
  const { check, value, not } = entry
  return `${not === true ? 'not ' : ''}${check}${value === undefined ? '' : ` ${shortJson(value)}`} does not hold`
}
