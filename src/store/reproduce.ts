import { candidateOf } from '../domain/branch'
import type { EngineContent, PromptMessage } from '../domain/contents'
import { type ProviderPair, pairOf, pairText } from '../domain/provider-change'
import { judgeReproduction, type ReproducedOutput } from '../domain/reproduction'
import { answeredWith } from '../domain/tool-call'
import { callEngine, endpointOf } from '../engines'
import type { Endpoint, Endpoints, EngineAnswer } from '../engines/engine'
import { SluiceError } from '../errors'
import type { PromptValue } from '../kinds/prompt-render'
import { compileSchema } from '../kinds/schema-compile'
import {
  type Pipeline,
  pipelineOf,
  type Reply,
  readReply,
  renderRequest,
  sentTo,
  worstAnswerUsd,
} from '../pipeline/pipeline'
import { requirePostprocessors } from '../pipeline/postprocess'
import type { ReadContent } from './captures'
import type { OutputDropped } from './evidence-results'
import { loggedRequest, type Missing, orMissing } from './explainer'
import type { PairSeen, Reproduction, ReproductionResult } from './reproductions'
import type { LoggedRequest } from './request-log'
import type { Store } from './store'

export interface ReproductionOrder {
  readonly id: string
  readonly requestId: string
  readonly by: string
  readonly repeats: number
  readonly alpha: number
  readonly budgetUsd: number
  /** Instead of what was captured. */
  readonly given?: ReadContent
}

/** A reproduction that can begin: everything it needs is there and fits. */
export interface PreparedReproduction {
  readonly order: ReproductionOrder
  readonly logged: LoggedRequest
  readonly pipeline: Pipeline
  /** The pinned one; of a router's candidates the one that the log says answered. */
  readonly engine: EngineContent
  readonly endpoint: Endpoint
  readonly messages: readonly PromptMessage[]
  readonly loggedOutput?: ReproducedOutput
  readonly inputFrom: Reproduction['inputFrom']
}

const concurrency = 4
const maxCases = 2_000

/**
 * Reads the pinned composite and the inputs, and renders the prompt. Codes: not_found (log row), capture_missing,
 * capture_erased, whatever the catalog says of content that is gone, prompt_variables, invalid_config (endpoint).
 */
export async function prepareReproduction(
  store: Store,
  endpoints: Endpoints,
  order: ReproductionOrder,
): Promise<PreparedReproduction> {
  const { requestId, by, id } = order
  const logged = await loggedRequest(store, requestId)
  const pipeline = pipelineOf(await store.catalog.composite(logged.composite))
  const engine = answeringEngine(pipeline, logged)
  const endpoint = endpointOf(endpoints, engine.endpoint)
  // Code that applications bring is not here; what its output would be, cannot be told.
  requirePostprocessors(pipeline.postprocess, {})
  const author = { by, reason: `reproduction ${id}` }
  const content = order.given ?? (await store.captures.read(logged, author, 'reproduce'))
  if (content.input === undefined) {
    throw new SluiceError('capture_missing', `Of ${requestId} only the output was handed over, no inputs.`, {
      requestId,
    })
  }
  const { messages } = renderRequest(pipeline, content.input as Readonly<Record<string, PromptValue>>)
  return {
    order,
    logged,
    pipeline,
    engine,
    endpoint,
    messages,
    inputFrom: order.given === undefined ? 'captured' : 'given',
    ...(content.output === undefined ? {} : { loggedOutput: checked(content.output, pipeline, logged) }),
  }
}

export interface ReproductionHooks {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: Reproduction['progress']) => void
}

/** Runs the pinned call again and judges. Throws `engine_failed` where no repeat was answered, or the signal's reason. */
export async function runReproduction(
  store: Store,
  prepared: PreparedReproduction,
  hooks: ReproductionHooks = {},
): Promise<ReproductionResult> {
  const { order, logged, pipeline, loggedOutput } = prepared
  const { answers, failed, stopped } = await callRepeatedly(prepared, hooks)
  const repeats = answers.map((answer) => readOutput(answer, pipeline))
  const missing: Missing[] = []
  const evaluated = await orMissing(() => evaluatedCases(store, logged, pipeline), missing, evidenceOf(logged))
  const { cases, dropped } = evaluated ?? noCases
  const finding = judgeReproduction({
    repeats,
    cases,
    alpha: order.alpha,
    ...(loggedOutput === undefined ? {} : { logged: loggedOutput }),
  })
  const seen = pairsSeen(answers, candidateIn(logged))
  const of = { basis: 'reproduction' as const, by: order.by, reason: `seen by the reproduction ${order.id}` }
  await store.providers.measured(logged.composite, seen, of)
  return {
    finding,
    validRepeats: repeats.filter(({ valid }) => valid).length,
    failedCalls: failed,
    provider: { same: sameProvider(loggedPair(logged), seen), logged: loggedPair(logged), seen },
    missing: [
      ...missing.map(({ of: what, why }) => `${what}: ${why}`),
      ...(cases.length === 0 ? [`${withoutCases(logged, dropped)}: the spread of repeats is not compared`] : []),
      ...(stopped === undefined ? [] : [stopped]),
    ],
  }
}

const evidenceOf = ({ composite }: LoggedRequest) =>
  ({ what: 'evidence', of: `evaluated cases of ${composite}` }) as const

function withoutCases({ composite }: LoggedRequest, dropped: OutputDropped | undefined): string {
  if (dropped === undefined) return 'no evaluated case has two outputs or more'
  const { at, by, run } = dropped
  const when = new Date(at).toISOString()
  return `the outputs of evaluated cases of ${composite} were dropped at ${when} by ${by} in the run ${run} of retention`
}

interface Repeats {
  readonly answers: readonly EngineAnswer[]
  readonly failed: number
  readonly stopped?: string
}

/** The pinned seed and parameters, as the application called; a few at a time, within the budget. */
async function callRepeatedly(prepared: PreparedReproduction, hooks: ReproductionHooks): Promise<Repeats> {
  const { order, pipeline, engine, endpoint, messages } = prepared
  const { signal } = hooks
  const worst = worstAnswerUsd(pipeline, engine, messages)
  const affordable = worst > 0 ? Math.floor(order.budgetUsd / worst) : order.repeats
  const count = Math.min(order.repeats, affordable)
  if (count === 0) {
    const text = `One call may cost $${worst.toFixed(4)}, and the budget is $${order.budgetUsd}. Raise the budget.`
    throw new SluiceError('invalid_request', text, { worstCostUsd: worst, budgetUsd: order.budgetUsd })
  }
  const sent = sentTo(pipeline, { messages }, undefined)
  const answers: EngineAnswer[] = []
  const failures: SluiceError[] = []
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count && !signal?.aborted) {
      next += 1
      try {
        answers.push(await callEngine({ engine, endpoint, ...sent, ...(signal ? { signal } : {}) }))
      } catch (error) {
        if (!(error instanceof SluiceError) || error.code !== 'engine_failed') throw error
        failures.push(error)
      }
      hooks.onProgress?.({ done: answers.length, paidUsd: answers.reduce((sum, { costUsd }) => sum + costUsd, 0) })
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, lane))
  signal?.throwIfAborted()
  const [failure] = failures
  if (answers.length === 0 && failure !== undefined) throw failure
  const stopped = `${count} of ${order.repeats} repeats were run: the budget is $${order.budgetUsd}`
  return { answers, failed: failures.length, ...(count < order.repeats ? { stopped } : {}) }
}

/** Throws `not_found` where the router has no candidate that the log names. */
function answeringEngine({ engine }: Pipeline, logged: LoggedRequest): EngineContent {
  if (!('engines' in engine)) return engine
  const candidate = candidateIn(logged)
  const found =
    candidate !== undefined && Object.hasOwn(engine.engines, candidate) ? engine.engines[candidate] : undefined
  if (found !== undefined) return found
  const text = `The composite routes requests, and the log does not say which candidate answered ${logged.requestId}.`
  throw new SluiceError('not_found', text, { branch: logged.branch })
}

const candidateIn = ({ branch }: LoggedRequest): string | undefined =>
  branch === undefined ? undefined : candidateOf(branch)

function loggedPair({ model, fingerprint, branch }: LoggedRequest): ProviderPair {
  const candidate = branch === undefined ? undefined : candidateOf(branch)
  return pairOf({
    ...(model === undefined ? {} : { model }),
    ...(fingerprint === undefined ? {} : { fingerprint }),
    ...(candidate === undefined ? {} : { candidate }),
  })
}

/** As `run` of the SDK reads an answer. */
function readOutput(reply: Reply, pipeline: Pipeline): ReproducedOutput {
  const { output, mismatches } = readReply(pipeline, reply)
  return { output: answeredWith(output, reply.toolCalls ?? []), valid: mismatches.length === 0 }
}

/** Post-processing may leave the schema, so then the log is believed. */
const checked = (output: unknown, { schema, postprocess }: Pipeline, { outcome }: LoggedRequest): ReproducedOutput => ({
  output,
  valid:
    schema === undefined || postprocess.length > 0
      ? outcome !== 'schema_failure'
      : compileSchema(schema)(output).length === 0,
})

interface EvaluatedCases {
  readonly cases: readonly (readonly ReproducedOutput[])[]
  /** Retention dropped outputs that could have been among them. */
  readonly dropped?: OutputDropped
}

const noCases: EvaluatedCases = { cases: [] }

/** The stored outputs of the composite's newest verdict, case by case, their repeats in order. */
async function evaluatedCases(store: Store, { composite }: LoggedRequest, pipeline: Pipeline): Promise<EvaluatedCases> {
  const [verdict] = await store.evidence.verdicts({ candidate: composite, limit: 1 })
  if (verdict === undefined) return noCases
  const set = { composite, suite: verdict.suite }
  const cases = new Map<string, (Reply & { readonly repeat: number })[]>()
  for await (const { caseId, repeat, result } of store.evidence.results.each(set)) {
    const { text, toolCalls = [] } = result
    const known = cases.get(caseId)
    if (known) known.push({ repeat, text, toolCalls })
    else if (cases.size < maxCases) cases.set(caseId, [{ repeat, text, toolCalls }])
  }
  const repeated = [...cases.values()]
    .filter((outputs) => outputs.length >= 2)
    .map((outputs) => outputs.toSorted((left, right) => left.repeat - right.repeat))
    .map((outputs) => outputs.map((answer) => readOutput(answer, pipeline)))
  const dropped = await store.evidence.results.dropped(set)
  return { cases: repeated, ...(dropped === undefined ? {} : { dropped }) }
}

function pairsSeen(answers: readonly EngineAnswer[], candidate: string | undefined): readonly PairSeen[] {
  const seen = new Map<string, PairSeen>()
  for (const answer of answers) {
    const pair = pairOf({ ...answer, ...(candidate === undefined ? {} : { candidate }) })
    const key = pairText(pair)
    seen.set(key, { ...pair, repeats: (seen.get(key)?.repeats ?? 0) + 1 })
  }
  return [...seen.values()]
}

function sameProvider(logged: ProviderPair, seen: readonly PairSeen[]): ReproductionResult['provider']['same'] {
  const compared = seen.map((pair) => compare(logged, pair))
  if (compared.includes('changed')) return 'changed'
  return compared.length > 0 && compared.every((one) => one === 'same') ? 'same' : 'unknown'
}

function compare(logged: ProviderPair, seen: ProviderPair): ReproductionResult['provider']['same'] {
  const parts = (['model', 'fingerprint'] as const).flatMap((part) =>
    logged[part] === undefined && seen[part] === undefined ? [] : [[logged[part], seen[part]] as const],
  )
  if (parts.some(([before, now]) => before !== undefined && now !== undefined && before !== now)) return 'changed'
  return parts.length > 0 && parts.every(([before, now]) => before === now) ? 'same' : 'unknown'
}
