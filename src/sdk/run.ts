import { randomUUID } from 'node:crypto'
import { callEngine } from '../engines'
import { endpointOf } from '../engines/endpoints'
import type { Endpoints } from '../engines/engine'
import type { PromptValue } from '../kinds/prompt-render'
import { compileSchema, type SchemaMismatch } from '../kinds/schema-compile'
import type { ServedContent } from './capture-queue'
import type { Report } from './report'
import type { RunOptions, RunResult } from './run-result'
import type { Serving } from './serving'

export interface RunParts {
  readonly endpoints: Endpoints
  /** `content`: what was served, which is checked already. */
  report(serving: Serving, report: Report, content?: ServedContent): void
}

const nothingUsed = { latencyMs: 0, inputTokens: 0, cachedTokens: 0, outputTokens: 0, costUsd: 0 }

/**
 * Renders the prompt, calls the pinned engine, validates the output against the served schema and reports. Throws
 * `prompt_variables`, `invalid_config` (no such endpoint) without a report, and `engine_failed` after one.
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
    return { requestId, outcome: 'filtered', text: '', output: undefined, mismatches: [], ...nothingUsed }
  }
  const { engine, schema } = serving
  const messages = serving.prompt.render(values)
  const endpoint = endpointOf(parts.endpoints, engine.endpoint)
  const check = schema === undefined ? undefined : compileSchema(schema)
  const startedAt = performance.now()
  const { signal } = options
  const answer = await callEngine({ engine, endpoint, messages, ...(signal ? { signal } : {}) }).catch((error) => {
    if (!signal?.aborted)
      parts.report(
        serving,
        { requestId, outcome: 'error', latencyMs: performance.now() - startedAt },
        { input: values },
      )
    throw error
  })
  const { text, latencyMs, inputTokens, cachedTokens, outputTokens, costUsd, uncachedCostUsd, model, fingerprint } =
    answer
  const parsed = check === undefined ? { output: text } : parseJson(text)
  const mismatches = 'fault' in parsed ? [parsed.fault] : (check?.(parsed.output) ?? [])
  const outcome = mismatches.length > 0 ? 'schema_failure' : 'ok'
  const used = { latencyMs, inputTokens, cachedTokens, outputTokens, costUsd }
  const output = 'fault' in parsed ? text : parsed.output
  const report = {
    requestId,
    outcome,
    ...used,
    uncachedCostUsd,
    ...(model === undefined ? {} : { model }),
    ...(fingerprint === undefined ? {} : { fingerprint }),
  } as const
  parts.report(serving, report, { input: values, output })
  return { requestId, outcome, text, output, mismatches, ...used }
}

/** The whole text must be JSON: what an application would have to clean up first does not fit. */
function parseJson(text: string): { readonly output: unknown } | { readonly fault: SchemaMismatch } {
  try {
    return { output: JSON.parse(text) }
  } catch {
    return { fault: { path: '', message: 'is not JSON' } }
  }
}
