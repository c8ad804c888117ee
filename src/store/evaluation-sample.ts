import type { SuiteCase } from '../domain/contents'
import type { ToolCall } from '../domain/tool-call'
import { type Pipeline, type Reply, readParsed, readReply } from '../pipeline/pipeline'
import type { Sample } from '../scorers/scorer'

/** Characters of an output that are scored; a longer one is cut, and is then no JSON. */
const maxScoredCharacters = 1_000_000
/** JSON that is nested deeper counts as no JSON: nothing useful is, and walking it would exhaust the stack. */
const maxDepth = 100

/** One answer with its case, as scorers see it: read as an application reads it, within bounds. */
export function sampleOf(one: SuiteCase, reply: Reply, pipeline: Pipeline): Sample {
  const { input, expected } = one
  return { ...readSample(reply, pipeline), input, expected }
}

type Read = Omit<Sample, 'input' | 'expected'>

function readSample({ text, toolCalls = [] }: Reply, pipeline: Pipeline): Read {
  const { schema, postprocess } = pipeline
  if (toolCalls.length > 0) {
    const { mismatches } = readReply(pipeline, { text, toolCalls })
    return { ...bounded(JSON.stringify(calledTools(toolCalls))), mismatches }
  }
  const written = bounded(text)
  if (schema === undefined && postprocess.length === 0) return written
  if (written.parsed === undefined) return { ...written, mismatches: [{ path: '', message: 'is not JSON' }] }
  const { output, mismatches } = readParsed(pipeline, written.parsed)
  if (mismatches.length > 0 || postprocess.length === 0) return { ...written, mismatches }
  return { text: JSON.stringify(output), parsed: output, mismatches }
}

/** Arguments that are JSON can be followed by a path; the ids of calls are drawn anew at every try. */
const calledTools = (calls: readonly ToolCall[]): unknown => ({
  toolCalls: calls.map(({ name, arguments: given }) => ({ name, arguments: parseJson(given) ?? given })),
})

function bounded(text: string): Pick<Sample, 'text' | 'parsed'> {
  if (text.length > maxScoredCharacters) return { text: text.slice(0, maxScoredCharacters) }
  const parsed = parseJson(text)
  return { text, ...(parsed === undefined ? {} : { parsed }) }
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
