import { randomUUID } from 'node:crypto'
import { answeredWith, maxToolTurns } from '../domain/tool-call'
import { callEngine } from '../engines'
import { endpointOf } from '../engines/endpoints'
import type { Endpoints, EngineAnswer } from '../engines/engine'
import { SluiceError } from '../errors'
import type { PromptValue } from '../kinds/prompt-render'
import {
  answerRequest,
  enginesOf,
  type Pipeline,
  type PipelineOutcome,
  readReply,
  renderRequest,
  sentTo,
} from '../pipeline/pipeline'
import { type Postprocessors, requirePostprocessors } from '../pipeline/postprocess'
import type { ServedContent } from './capture-queue'
import type { Report } from './report'
import type { RunOptions, RunResult } from './run-result'
import type { Serving } from './serving'
import type { ServedRun } from './shadow-queue'

interface RunParts {
  readonly endpoints: Endpoints
  readonly postprocessors: Postprocessors
  /** `content`: what was served, which is checked already. `output`: what was read of the answer, where there is one. */
  report(serving: Serving, report: Report, content?: ServedContent, output?: unknown): void
}

const nothingUsed = { latencyMs: 0, inputTokens: 0, cachedTokens: 0, outputTokens: 0, costUsd: 0 }

/**
 * Renders the prompt, calls the pinned engine (or the one that the router names), reads the output and reports. Throws
 * `prompt_variables`, `invalid_config` (an endpoint or code that is not here) and `invalid_request` without a report,
 * and `engine_failed` after one.
 */
export async function runServing(
  serving: Serving,
  values: Readonly<Record<string, PromptValue>>,
  parts: RunParts,
  options: RunOptions = {},
): Promise<RunResult> {
  const requestId = options.requestId ?? randomUUID()
  if (options.attributes && !serving.accepts(options.attributes)) {
    parts.report(serving, { requestId, outcome: 'filtered', latencyMs: 0 })
    const nothing = { text: '', output: undefined, toolCalls: [], mismatches: [] }
    return { requestId, outcome: 'filtered', ...nothing, ...nothingUsed }
  }
  const { pipeline } = serving
  requirePostprocessors(pipeline.postprocess, parts.postprocessors)
  const startedAt = performance.now()
  const asked = await ask(pipeline, values, parts.endpoints, options)
  const branch = 'branch' in asked ? { branch: asked.branch } : {}
  if ('error' in asked) {
    const latencyMs = performance.now() - startedAt
    if (!options.signal?.aborted) {
      const report = { requestId, outcome: 'error', ...asked.used, latencyMs, ...branch } as const
      parts.report(serving, report, contentOf(values, options))
    }
    throw asked.error
  }
  const { answer, used } = asked
  const { uncachedCostUsd, ...spent } = used
  const toolCalls = answer.toolCalls ?? []
  const read = readReply(pipeline, answer, parts.postprocessors)
  const outcome = read.mismatches.length > 0 ? 'schema_failure' : 'ok'
  const { model, fingerprint } = answer
  const report = {
    requestId,
    outcome,
    ...spent,
    uncachedCostUsd,
    ...branch,
    ...(model === undefined ? {} : { model }),
    ...(fingerprint === undefined ? {} : { fingerprint }),
  } as const
  parts.report(serving, report, contentOf(values, options, answeredWith(read.output, toolCalls)), read.output)
  return { requestId, outcome, text: answer.text, ...read, toolCalls, ...branch, ...spent }
}

/** A later round of tool calls cannot be repeated from its values alone, so it is not captured. */
const contentOf = (values: ServedContent['input'], { turns = [] }: RunOptions, output?: unknown): ServedContent =>
  turns.length > 0 ? {} : { input: values, output }

function ask(
  pipeline: Pipeline,
  values: Readonly<Record<string, PromptValue>>,
  endpoints: Endpoints,
  { attributes = {}, signal, turns = [], branch }: RunOptions,
): Promise<PipelineOutcome<EngineAnswer>> {
  if (turns.length > maxToolTurns) {
    throw new SluiceError('invalid_request', `A request has at most ${maxToolTurns} rounds of tool calls.`)
  }
  const { messages, question } = renderRequest(pipeline, values)
  for (const engine of enginesOf(pipeline)) endpointOf(endpoints, engine.endpoint)
  const request = { attributes, ...(question ? { question } : {}), ...(branch ? { branch } : {}) }
  return answerRequest(pipeline, request, (engine, asked) =>
    callEngine({
      engine,
      endpoint: endpointOf(endpoints, engine.endpoint),
      ...sentTo(pipeline, { messages, turns }, asked),
      ...(signal ? { signal } : {}),
    }),
  )
}

/**
 * Answers a copy of a served request and tells the caller alone. Whatever goes wrong is an error of the candidate: values
 * that its prompt does not take, or code that is not here, would fail for a user as well. Tools are offered and the calls
 * checked, and nobody carries them out.
 */
export async function answerCopy(
  { values, options }: ServedRun,
  candidate: Serving,
  { signal, ...parts }: Omit<RunParts, 'report'> & { readonly signal: AbortSignal },
): Promise<{ readonly report: Report; readonly output?: unknown }> {
  const startedAt = performance.now()
  const told: { report?: Report; output?: unknown } = {}
  const report = (_: Serving, own: Report, __?: ServedContent, output?: unknown): void => {
    told.report = own
    told.output = output
  }
  const { attributes } = options
  try {
    await runServing(candidate, values, { ...parts, report }, { signal, ...(attributes ? { attributes } : {}) })
  } catch {
    told.report ??= { outcome: 'error', latencyMs: performance.now() - startedAt }
  }
  return { report: told.report ?? { outcome: 'error', latencyMs: 0 }, output: told.output }
}
