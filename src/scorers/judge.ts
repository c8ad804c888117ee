import { judgeVariables } from '../domain/contents'
import { isRecord } from '../domain/diff'
import {
  choiceOption,
  countOption,
  invalidOptions,
  type Score,
  type Scorer,
  type ScorerOptions,
  type ScorerTools,
  textOption,
} from './scorer'

const maxRepeats = 9
const maxRubricCharacters = 20_000
/** Characters of input, expectation or output that a judge is shown each. */
const maxShownCharacters = 100_000
const maxReasonCharacters = 500
const maxAnswerCharacters = 100_000

/**
 * A pinned model scores the output (Zheng et al. 2023 on what such judges are worth). It answers with one JSON object,
 * `{"score": 0..1, "reason": "…"}`. An answer that is anything else is no evidence, and neither is none.
 */
export const judge: Scorer = {
  name: 'judge',
  options: {
    judge: 'the name of one of the judges that the suite pins',
    rubric: 'what the judge is to go by, given to its prompt as `rubric`; default nothing',
    repeats: 'how often each output is judged, 1 to 9, every time with a seed of its own; default 1',
    combine: '`mean`, `median`, or `majority`: 1 where more than half of the answers give at least 0.5, else 0',
  },
  prepare(options, { judges }) {
    const name = textOption(judge, options, 'judge')
    const rubric = rubricOf(options)
    requireJudge(name, rubric !== '', judges)
    const repeats = countOption(judge, options, 'repeats', { least: 1, most: maxRepeats, fallback: 1 })
    const combine = choiceOption(judge, options, 'combine', ['mean', 'median', 'majority'])
    return {
      asks: {
        judge: name,
        repeats,
        values: ({ input, expected, text }) => ({
          input: quoted(input),
          expected: quoted(expected),
          output: quoted(text),
          rubric,
        }),
      },
      score: (_sample, answers) => combined(answers, combine),
    }
  },
}

function rubricOf(options: ScorerOptions): string {
  if (options.rubric === undefined) return ''
  const rubric = textOption(judge, options, 'rubric')
  if (rubric.length <= maxRubricCharacters) return rubric
  return invalidOptions(judge.name, `rubric is longer than ${maxRubricCharacters} characters.`)
}

/** The prompt of the judge has to show the output, to know no other variables, and to use the rubric if there is one. */
function requireJudge(name: string, hasRubric: boolean, judges: ScorerTools['judges']): void {
  const variables = Object.hasOwn(judges, name) ? judges[name] : undefined
  if (variables === undefined) {
    const known = Object.keys(judges).join(', ') || 'none'
    invalidOptions(judge.name, `the suite pins no judge ${name}; it pins: ${known}.`)
  }
  const stray = variables.find((variable) => !judgeVariables.some((known) => known === variable))
  if (stray !== undefined) {
    invalidOptions(judge.name, `the prompt of ${name} has the variable ${stray}; known: ${judgeVariables.join(', ')}.`)
  }
  if (!variables.includes('output')) invalidOptions(judge.name, `the prompt of ${name} does not show {{output}}.`)
  if (hasRubric && !variables.includes('rubric')) {
    invalidOptions(judge.name, `the prompt of ${name} has no {{rubric}}, so the rubric would say nothing.`)
  }
}

/**
 * A value as JSON text in which nothing ends the place that the prompt gives it: no quote, no line break and no tag of
 * its own. It keeps data apart from instructions; whether the judge minds the difference is up to the model.
 */
function quoted(value: unknown): string {
  const text = JSON.stringify(value)
  const whole = text.length <= maxShownCharacters
  const shown = whole
    ? text
    : JSON.stringify({
        beginning: text.slice(0, maxShownCharacters),
        charactersLeftOut: text.length - maxShownCharacters,
      })
  return shown.replaceAll('<', '\\u003c').replaceAll('>', '\\u003e')
}

interface Judged {
  readonly score: number
  readonly reason: string
}

/** More than half of the answers have to be readable. */
function combined(answers: readonly (string | undefined)[], combine: 'mean' | 'median' | 'majority'): Score {
  const given = answers.filter((answer) => answer !== undefined)
  const judged = given.flatMap((answer) => readAnswer(answer) ?? [])
  const [first] = judged
  if (first === undefined || judged.length * 2 <= answers.length) {
    if (given.length * 2 <= answers.length) return { unscored: 'the judge gave no answer' }
    return { unscored: 'the judge did not answer with a score from 0 to 1 and a reason' }
  }
  const scores = judged.map(({ score }) => score).sort((a, b) => a - b)
  return { value: values[combine](scores), note: first.reason.slice(0, maxReasonCharacters) }
}

/** Of sorted scores, at least one. */
const values = {
  mean: (scores: readonly number[]) => scores.reduce((sum, score) => sum + score, 0) / scores.length,
  median: (scores: readonly number[]) =>
    ((scores[Math.floor((scores.length - 1) / 2)] ?? 0) + (scores[Math.ceil((scores.length - 1) / 2)] ?? 0)) / 2,
  majority: (scores: readonly number[]) => (scores.filter((score) => score >= 0.5).length * 2 > scores.length ? 1 : 0),
} as const

/** The score of an answer without its words, which may repeat what was judged; empty where it is no answer. */
export function scoreAlone(answer: string): string {
  const judged = readAnswer(answer)
  return judged === undefined ? '' : JSON.stringify({ score: judged.score, reason: '' })
}

function readAnswer(answer: string): Judged | undefined {
  if (answer.length > maxAnswerCharacters) return undefined
  let parsed: unknown
  try {
    parsed = JSON.parse(withoutFence(answer.trim()))
  } catch {
    return undefined
  }
  if (!isRecord(parsed)) return undefined
  const { score, reason } = parsed
  const fits = typeof score === 'number' && score >= 0 && score <= 1 && typeof reason === 'string'
  return fits ? { score, reason } : undefined
}

/** Models like to fence JSON: one fence around the whole answer is taken off. */
function withoutFence(answer: string): string {
  const start = answer.indexOf('\n')
  const isFenced = /^```(json)?$/.test(answer.slice(0, Math.max(0, start)).trim()) && answer.endsWith('```')
  return isFenced ? answer.slice(start, -'```'.length) : answer
}
