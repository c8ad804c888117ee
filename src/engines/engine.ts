import type { EngineContent, PromptMessage } from '../domain/contents'
import type { ToolContent } from '../domain/pipeline-contents'
import type { Cost, TokenUsage } from '../domain/pricing'
import type { ToolCall, ToolTurn } from '../domain/tool-call'

/** Where an engine's endpoint is; identity does not depend on it. */
export interface Endpoint {
  /** Base URL of the protocol, such as `https://host/v1`. */
  readonly url: string
  readonly apiKey?: string
  /** Calls in flight at the same time, over everything that one process evaluates; default 8. */
  readonly concurrency?: number
}

/** How fast an endpoint is called, by all callers of this process together. */
export interface Pace {
  /** Waits for a slot and for the end of a pause; call what it gives once when the slot is free again. Throws the
   * signal's reason when aborted. */
  enter(signal?: AbortSignal): Promise<() => void>
  /** The provider asked for less: nobody calls for so long. */
  slowDown(pauseMs: number): void
  /** A call was answered. */
  answered(): void
}

/** Symbolic endpoint name of engine contents → where it is. */
export type Endpoints = Readonly<Record<string, Endpoint>>

export interface EngineCall {
  readonly engine: EngineContent
  readonly endpoint: Endpoint
  readonly messages: readonly PromptMessage[]
  /** What the engine may ask for. Absent: nothing. */
  readonly tools?: readonly ToolContent[]
  /** What it asked for in this request so far, with the results, the first round first. */
  readonly turns?: readonly ToolTurn[]
  /** Instead of the engine's own seed, where a repeat wants another one. */
  readonly seed?: number
  readonly signal?: AbortSignal
  /** Shared by the callers of an endpoint; absent: the call goes out at once and waits for itself alone. */
  readonly pace?: Pace
}

/** What one call gave. Latency is of the try that was answered; waiting between tries is not in it. */
export interface EngineAnswer extends TokenUsage, Cost {
  /** Empty where the engine only calls tools. */
  readonly text: string
  /** Tools that it asks for; absent where it asks for none. */
  readonly toolCalls?: readonly ToolCall[]
  /** Whether the answer was cut off at the limit of output tokens. */
  readonly truncated: boolean
  readonly latencyMs: number
  /** Tries made, the answered one included. */
  readonly attempts: number
  /** As the provider returned them: a change under an unchanged engine version voids evidence. */
  readonly model?: string
  readonly fingerprint?: string
}

/** One way of calling a pinned engine over the network. */
export interface EngineProvider {
  readonly name: EngineContent['provider']
  /**
   * Calls with the pinned model and parameters. Retries what is worth it (429, 5xx, time-outs, broken connections)
   * up to the engine's `maxAttempts`. With a pace, refusals for going too fast pause the whole endpoint and have a
   * bound of their own. Throws `engine_failed` with `details.cause`, `details.retryable` (another engine may fare
   * better) and `details.latencyMs` (of all its tries), or the signal's reason when aborted.
   */
  call(call: EngineCall): Promise<EngineAnswer>
}

/** Why a try failed. */
export type FailureCause = 'time_out' | 'rate_limited' | 'server_error' | 'unreachable' | 'refused' | 'unreadable'
