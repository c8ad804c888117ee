import type { ChatRequest } from './protocol'

/** What a request to judge shows: the texts between `<expected>` and `<output>` marks, as JSON. */
interface JudgeQuestion {
  readonly expected: unknown
  readonly output: unknown
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function between(text: string, mark: string): unknown {
  const inner = new RegExp(`<${mark}>\\n?([\\s\\S]*?)\\n?</${mark}>`).exec(text)?.[1]
  return inner === undefined ? undefined : parse(inner)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A request is one to judge where it asks for the key `"score"` and shows an output. */
function readQuestion(messages: ChatRequest['messages']): JudgeQuestion | undefined {
  const text = messages.map(({ content }) => content).join('\n')
  const output = between(text, 'output')
  return text.includes('"score"') && output !== undefined ? { expected: between(text, 'expected'), output } : undefined
}

/** The answer of a judge; undefined where the request is none to judge. See docs/simulated-engine.md for the rule. */
export function scoreText(messages: ChatRequest['messages']): string | undefined {
  const question = readQuestion(messages)
  if (question === undefined) return undefined
  const labels = isRecord(question.expected) ? Object.entries(question.expected) : []
  const answer = typeof question.output === 'string' ? parse(question.output) : undefined
  const met = isRecord(answer) ? labels.filter(([key, label]) => answer[key] === label).length : 0
  const score = labels.length === 0 ? 0 : met / labels.length
  return JSON.stringify({ score, reason: `${met} of ${labels.length} labels are met.` })
}
