import { randomUUID } from 'node:crypto'
import type { Outcome } from '../domain/telemetry'
import { callEngine } from '../engines'
import { endpointOf } from '../engines/endpoints'
import type { Endpoints } from '../engines/engine'
import type { Attributes } from '../kinds/filter-accepts'
import type { PromptValue } from '../kinds/prompt-render'
import { compileSchema, type SchemaMismatch } from '../kinds/schema-compile'
import type { Report } from './report'
import type { Serving } from './serving'

export interface RunOptions {
  readonly requestId?: string
  /** What the composite's filter asks for; absent: the filter is not applied. */
  readonly attributes?: Attributes
  readonly signal?: AbortSignal
}

/** What a served request gave. It is reported already. */
export interface RunResult {
  readonly requestId: string
  /** `filtered`: the filter refused the conversation and the engine was not called. */
  readonly outcome: Exclude<Outcome, 'error'>
  readonly text: string
  /** Parsed JSON where the composite has a schema and the text is JSON; else the text. */
  readonly output: unknown
  /** Where the output does not fit the schema; empty for `ok`. */
  readonly mismatches: readonly SchemaMismatch[]
  readonly latencyMs: number
  readonly inputTokens: number
  readonly cachedTokens: number
  readonly outputTokens: number
  readonly costUsd: number
}

const nothingUsed = { latencyMs: 0, inputTokens: 0, cachedTokens: 0, outputTokens: 0, costUsd: 0 }

/**
 * Renders the prompt, calls the pinned engine, validates the output against the served schema and reports. Throws
 * `prompt_variables`, `invalid_config` (no such endpoint) without a report, and `engine_failed` after one.
 */
export async function runServing(
  serving: Serving,
  values: Readonly<Record<string, PromptValue>>,
  parts: { readonly endpoints: Endpoints; report(serving: Serving, report: Report): void },
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
      parts.report(serving, { requestId, outcome: 'error', latencyMs: performance.now() - startedAt })
    throw error
  })
  const { text, latencyMs, inputTokens, cachedTokens, outputTokens, costUsd, uncachedCostUsd, model, fingerprint } =
    answer
  const parsed = check === undefined ? { output: text } : parseJson(text)
  const mismatches = 'fault' in parsed ? [parsed.fault] : (check?.(parsed.output) ?? [])
  const outcome = mismatches.length > 0 ? 'schema_failure' : 'ok'
  const used = { latencyMs, inputTokens, cachedTokens, outputTokens, costUsd }
  parts.report(serving, {
    requestId,
    outcome,
    ...used,
    uncachedCostUsd,
    ...(model === undefined ? {} : { model }),
    ...(fingerprint === undefined ? {} : { fingerprint }),
  })
  return { requestId, outcome, text, output: 'fault' in parsed ? text : parsed.output, mismatches, ...used }
}

/** The whole text must be JSON: what an application would have to clean up first does not fit. */
function parseJson(text: string): { readonly output: unknown } | { readonly fault: SchemaMismatch } {
  try {
    return { output: JSON.parse(text) }
  } catch {
    return { fault: { path: '', message: 'is not JSON' } }
  }
}
