import type { Outcome } from '../domain/telemetry'
import type { Attributes } from '../kinds/filter-accepts'
import type { SchemaMismatch } from '../kinds/schema-compile'

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
