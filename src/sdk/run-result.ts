import type { Branch } from '../domain/branch'
import type { Outcome } from '../domain/telemetry'
import type { ToolCall, ToolTurn } from '../domain/tool-call'
import type { Attributes } from '../kinds/filter-accepts'
import type { SchemaMismatch } from '../kinds/schema-compile'

export interface RunOptions {
  readonly requestId?: string
  /** What the composite's filter and the rules of its router ask for; absent: the filter is not applied, no rule holds. */
  readonly attributes?: Attributes
  readonly signal?: AbortSignal
  /** Goes on with a request whose answer called tools: what it called, and what came of it. */
  readonly turns?: readonly ToolTurn[]
  /** Stays with the candidate of an earlier round, as its result told. */
  readonly branch?: Branch | undefined
}

/** What a served request gave. It is reported already. */
export interface RunResult {
  readonly requestId: string
  /** `filtered`: the filter refused the conversation and the engine was not called. */
  readonly outcome: Exclude<Outcome, 'error'>
  readonly text: string
  /** Parsed and post-processed where the composite says so and the text fits; else as it came. Undefined with tool calls. */
  readonly output: unknown
  /** Tools that the engine asks for, before it answers: carry them out and `run` again with `turns`. */
  readonly toolCalls: readonly ToolCall[]
  /** Which way the router sent the request; absent without a router. */
  readonly branch?: Branch
  /** Where output or tool calls do not fit; empty for `ok`. */
  readonly mismatches: readonly SchemaMismatch[]
  readonly latencyMs: number
  readonly inputTokens: number
  readonly cachedTokens: number
  readonly outputTokens: number
  readonly costUsd: number
}
