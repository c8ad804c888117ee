import { setTimeout as wait } from 'node:timers/promises'
import { endpointUrl } from '../domain/endpoint-url'
import { costOf } from '../domain/pricing'
import { cutText } from '../domain/text'
import type { ToolCall, ToolTurn } from '../domain/tool-call'
import { SluiceError } from '../errors'
import type { EngineAnswer, EngineCall, EngineProvider, FailureCause } from './engine'
import { type Posted, post } from './post'

const firstPauseMs = 250
const longestPauseMs = 8_000
/** A provider that asks for a longer pause is taken as failed. */
const longestRetryAfterMs = 60_000
/** Refusals of one call at a shared pace. */
const maxRefusals = 30
const maxAnswerBytes = 8 * 1024 * 1024
const quotedCharacters = 300

interface Failure {
  readonly cause: FailureCause
  readonly message: string
  readonly status?: number
  readonly retryable: boolean
  readonly retryAfterMs?: number
  /** The provider limits the rate, so that other calls would be refused as well. */
  readonly asksForLess?: boolean
}
type Attempt = { readonly answer: Omit<EngineAnswer, 'attempts'> } | { readonly failure: Failure }

/** The OpenAI chat protocol (`POST /chat/completions`), as OpenAI and many others serve it. */
export const openaiCompatible: EngineProvider = {
  name: 'openai-compatible',
  async call(call) {
    const tally: Tally = { failures: 0, refusals: 0, latencyMs: 0 }
    for (;;) {
      const turn = await inSlot(call, tally)
      if ('answer' in turn) return turn.answer
      if (turn.pauseMs > 0) await wait(turn.pauseMs, undefined, call.signal ? { signal: call.signal } : {})
    }
  },
}

/** Tries of one call that were not answered. Refusals for going too fast say nothing about the call itself. */
interface Tally {
  failures: number
  refusals: number
  /** Of all these tries, without the waiting between them. */
  latencyMs: number
}

/** One try; `pauseMs` is how long this call waits before the next. A refusal is told before the slot is given on. */
async function inSlot(
  call: EngineCall,
  tally: Tally,
): Promise<{ readonly answer: EngineAnswer } | { readonly pauseMs: number }> {
  const { pace, signal } = call
  const leave = await pace?.enter(signal)
  try {
    const startedAt = performance.now()
    const outcome = await tryOnce(call)
    if ('answer' in outcome) {
      pace?.answered()
      return { answer: { ...outcome.answer, attempts: tally.failures + tally.refusals + 1 } }
    }
    signal?.throwIfAborted()
    tally.latencyMs += performance.now() - startedAt
    const pauseMs = pauseAfter(call, outcome.failure, tally)
    if (!pace || !outcome.failure.asksForLess) return { pauseMs }
    pace.slowDown(pauseMs)
    return { pauseMs: 0 }
  } finally {
    leave?.()
  }
}

/** Counts a failed try; throws where it was the last. */
function pauseAfter(call: EngineCall, failure: Failure, tally: Tally): number {
  const isRefusal = call.pace !== undefined && failure.asksForLess === true
  if (isRefusal) tally.refusals += 1
  else tally.failures += 1
  const isLast = isRefusal ? tally.refusals >= maxRefusals : tally.failures >= Math.max(1, call.engine.maxAttempts)
  const { retryAfterMs, retryable } = failure
  const backOff = pauseMs(isRefusal ? tally.refusals : tally.failures)
  // A provider that refuses again after the pause that it asked for is not taken at its word a second time.
  const pause = retryAfterMs === undefined || tally.refusals > 1 ? Math.max(retryAfterMs ?? 0, backOff) : retryAfterMs
  if (!retryable || isLast || pause > longestRetryAfterMs) {
    throw asError(call, failure, tally)
  }
  return pause
}

/** Exponential back-off with jitter, so that many callers do not come back at the same moment. */
function pauseMs(attempt: number): number {
  return Math.min(longestPauseMs, firstPauseMs * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2)
}

function asError(call: EngineCall, failure: Failure, { failures, refusals, latencyMs }: Tally): SluiceError {
  const attempts = failures + refusals
  const { cause, status, message, retryable } = failure
  const { endpoint, model } = call.engine
  const text = `The engine ${model} at ${endpoint} failed after ${attempts} tries: ${message}`
  return new SluiceError('engine_failed', text, {
    ...{ cause, retryable, status, attempts, latencyMs, endpoint, model },
  })
}

async function tryOnce(call: EngineCall): Promise<Attempt> {
  const ending = endingOf(call)
  const started = performance.now()
  try {
    const posted = await post({
      url: endpointUrl(call.endpoint.url, 'chat/completions'),
      headers: {
        accept: 'application/json',
        'content-type': 'application/json',
        'user-agent': 'sluice',
        ...(call.endpoint.apiKey === undefined ? {} : { authorization: `Bearer ${call.endpoint.apiKey}` }),
      },
      body: JSON.stringify(requestBody(call)),
      signal: ending.signal,
      maxBytes: maxAnswerBytes,
    })
    if (posted.status < 200 || posted.status >= 300) return { failure: refusal(posted) }
    return readAnswer(call, posted, performance.now() - started)
  } catch (error) {
    if (ending.isOverdue() && !call.signal?.aborted) {
      const message = `no answer within ${call.engine.timeoutMs} ms`
      return { failure: { cause: 'time_out', message, retryable: true } }
    }
    return { failure: { cause: 'unreachable', message: causeOf(error), retryable: true } }
  } finally {
    ending.clear()
  }
}

/** Where several addresses of a host were tried, the error of all of them has a code and no message. */
function causeOf(error: unknown): string {
  const { message, code } = error as Error & { code?: string }
  return message || (code ?? 'no connection')
}

/** What ends a try early. Cleared with the try, so that a signal that outlives many calls keeps nothing of them. */
function endingOf({ engine, signal }: EngineCall) {
  const ending = new AbortController()
  const abort = (): void => ending.abort(signal?.reason)
  let overdue = false
  const timer = setTimeout(() => {
    overdue = true
    ending.abort(new Error('time-out'))
  }, engine.timeoutMs)
  if (signal?.aborted) abort()
  signal?.addEventListener('abort', abort, { once: true })
  return {
    signal: ending.signal,
    isOverdue: () => overdue,
    clear(): void {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    },
  }
}

function requestBody({ engine, messages, seed, tools = [], turns = [] }: EngineCall): Record<string, unknown> {
  const { temperature, topP, maxOutputTokens, presencePenalty, frequencyPenalty, stop } = engine.parameters
  return {
    model: engine.model,
    messages: [...messages.map(({ role, content }) => ({ role, content })), ...turns.flatMap(turnMessages)],
    tools: tools.length === 0 ? undefined : tools.map((tool) => ({ type: 'function', function: tool })),
    temperature,
    top_p: topP,
    max_tokens: maxOutputTokens,
    presence_penalty: presencePenalty,
    frequency_penalty: frequencyPenalty,
    stop,
    seed: seed ?? engine.seed,
  }
}

function turnMessages({ calls, results }: ToolTurn): readonly object[] {
  const asked = calls.map(({ id, name, arguments: text }) => ({
    id,
    type: 'function',
    function: { name, arguments: text },
  }))
  return [
    { role: 'assistant', content: null, tool_calls: asked },
    ...calls.map(({ id }) => ({ role: 'tool', tool_call_id: id, content: results[id] ?? '' })),
  ]
}

function refusal({ status, headers, text }: Posted): Failure {
  const target = status < 400 && headers.location !== undefined ? `, redirects to ${headers.location}` : ''
  const message = `HTTP ${status}${cutText(target, quotedCharacters)} ${cutText(text, quotedCharacters)}`
  const retryAfterMs = readRetryAfter(headers)
  const after = retryAfterMs === undefined ? {} : { retryAfterMs }
  if (status === 429) return { cause: 'rate_limited', message, status, retryable: true, asksForLess: true, ...after }
  if (status >= 500) {
    const asksForLess = retryAfterMs !== undefined
    return { cause: 'server_error', message, status, retryable: true, asksForLess, ...after }
  }
  return { cause: 'refused', message, status, retryable: false }
}

/** Seconds, or an HTTP date by the provider's own clock (RFC 9110, 10.2.3); undefined when absent or unreadable. */
function readRetryAfter(headers: Posted['headers']): number | undefined {
  const value = headers['retry-after']?.trim()
  if (!value) return undefined
  const seconds = Number(value)
  const sent = Date.parse(headers.date ?? '')
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - (Number.isNaN(sent) ? Date.now() : sent)
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}

interface ChatCompletion {
  readonly model?: string
  readonly system_fingerprint?: string | null
  readonly choices?: readonly {
    readonly finish_reason?: string
    readonly message?: { readonly content?: unknown; readonly tool_calls?: unknown }
  }[]
  readonly usage?: {
    readonly prompt_tokens?: unknown
    readonly completion_tokens?: unknown
    readonly prompt_tokens_details?: { readonly cached_tokens?: unknown } | null
  } | null
}

function readAnswer(call: EngineCall, { text, isCut }: Posted, latencyMs: number): Attempt {
  const unreadable = (message: string): Attempt => ({ failure: { cause: 'unreadable', message, retryable: false } })
  if (isCut) return unreadable(`the answer is longer than ${maxAnswerBytes} bytes`)
  let body: ChatCompletion
  try {
    body = JSON.parse(text) as ChatCompletion
  } catch {
    return unreadable(`the answer is not JSON: ${cutText(text, quotedCharacters)}`)
  }
  const choice = body.choices?.[0]
  const toolCalls = readToolCalls(choice?.message?.tool_calls)
  // A message without content is an answer without words: cut off before the first one, or filtered; it is billed all the same.
  const said = choice?.message ? (choice.message.content ?? '') : undefined
  if (typeof said !== 'string') return unreadable('the answer holds no text')
  const usage = {
    inputTokens: countOf(body.usage?.prompt_tokens),
    cachedTokens: countOf(body.usage?.prompt_tokens_details?.cached_tokens),
    outputTokens: countOf(body.usage?.completion_tokens),
  }
  return {
    answer: {
      text: said,
      ...(toolCalls.length === 0 ? {} : { toolCalls }),
      truncated: choice?.finish_reason === 'length',
      latencyMs,
      ...usage,
      ...costOf(call.engine.pricePerMillion, usage),
      ...(body.model ? { model: body.model } : {}),
      ...(body.system_fingerprint ? { fingerprint: body.system_fingerprint } : {}),
    },
  }
}

/** Some gateways write numbers as text. What is no count says nothing. */
function countOf(value: unknown): number {
  const count = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
  return typeof count === 'number' && Number.isSafeInteger(count) && count >= 0 ? count : 0
}

/** Calls that cannot be read are left out; calls of what is no function tool as well. */
function readToolCalls(value: unknown): readonly ToolCall[] {
  if (!Array.isArray(value)) return []
  return value.slice(0, maxToolCalls).flatMap((one: Partial<RawToolCall> | null): ToolCall[] => {
    const { name, arguments: text } = one?.function ?? {}
    if (typeof one?.id !== 'string' || typeof name !== 'string' || typeof text !== 'string') return []
    return [{ id: one.id, name, arguments: text }]
  })
}

const maxToolCalls = 128

interface RawToolCall {
  readonly id: string
  readonly function: { readonly name?: unknown; readonly arguments?: unknown }
}
