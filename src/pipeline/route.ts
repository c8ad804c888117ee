import { type Branch, maxBranchLength } from '../domain/branch'
import type { EngineContent, PromptContent, PromptMessage } from '../domain/contents'
import { isRecord } from '../domain/diff'
import type { RouterContent } from '../domain/pipeline-contents'
import type { Cost, TokenUsage } from '../domain/pricing'
import { SluiceError } from '../errors'
import { type Attributes, holds } from '../kinds/filter-accepts'

/** A router with the contents that it refers to. */
export interface LoadedRouter {
  readonly content: RouterContent
  /** By the name of the candidate. */
  readonly engines: Readonly<Record<string, EngineContent>>
  readonly classifier?: { readonly engine: EngineContent; readonly prompt: PromptContent }
}

/** What the calls of a request cost together. */
export interface Used extends TokenUsage, Cost {
  readonly latencyMs: number
}
export interface Answered extends Used {
  readonly text: string
}

export interface RoutedRequest {
  /** Rules read these; a missing one makes every comparison false. */
  readonly attributes: Attributes
  /** The classifier's prompt with its values; present where the router has a classifier. */
  readonly question?: readonly PromptMessage[]
}

/** Calls one engine: with the classifier's question, or with the request itself. */
export type Ask<A extends Answered> = (engine: EngineContent, question?: readonly PromptMessage[]) => Promise<A>

/** What became of a request: an answer, or the error of the last engine asked. What was paid counts in both cases. */
export type Routed<A> = { readonly branch: Branch; readonly used: Used } & (
  | { readonly answer: A }
  | { readonly error: unknown }
)

export const nothingUsed: Used = {
  latencyMs: 0,
  inputTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
  costUsd: 0,
  uncachedCostUsd: 0,
}

/**
 * Sends a request where the router's rules, its classifier or its default say, and on to the fallbacks while engines
 * fail in a way that another one may not. Everything but what the engines answer follows from the arguments.
 */
export async function answerRouted<A extends Answered>(
  router: LoadedRouter,
  request: RoutedRequest,
  ask: Ask<A>,
): Promise<Routed<A>> {
  const choice = await choose(router, request, ask)
  if ('error' in choice) return choice
  return answerBy(router, choice, ask)
}

/** The same for a request that continues one: its candidate is known. Throws `not_found` where it is none. */
export function answerAgain<A extends Answered>(router: LoadedRouter, branch: Branch, ask: Ask<A>): Promise<Routed<A>> {
  if (Object.hasOwn(router.engines, branch.candidate)) return answerBy(router, { branch, used: nothingUsed }, ask)
  throw new SluiceError('not_found', `The router has no candidate ${branch.candidate}.`, { branch })
}

interface Choice {
  readonly branch: Branch
  readonly used: Used
}

async function choose<A extends Answered>(
  { content, classifier }: LoadedRouter,
  { attributes, question }: RoutedRequest,
  ask: Ask<A>,
): Promise<Choice | (Choice & { readonly error: unknown })> {
  const rule = content.rules.findIndex(({ when }) => holds(when, attributes))
  const use = content.rules[rule]?.use
  if (use !== undefined) return { branch: { candidate: use, by: 'rule', rule }, used: nothingUsed }
  if (classifier === undefined || content.classifier === undefined || question === undefined) {
    return { branch: { candidate: content.default, by: 'default' }, used: nothingUsed }
  }
  try {
    const answer = await ask(classifier.engine, question)
    return { branch: branchOfLabel(content, answer.text), used: sumUsed(nothingUsed, answer) }
  } catch (error) {
    const branch: Branch = { candidate: content.classifier.onFailure, by: 'classifier_failed' }
    const choice = { branch, used: usedBy(error) }
    return isEngineFailure(error) ? choice : { ...choice, error }
  }
}

/** Reads what the classifier answered: a bare label, or `{ "label": …, "confidence": … }`. */
export function branchOfLabel(router: RouterContent, text: string): Branch {
  const { labels = {}, minConfidence } = router.classifier ?? {}
  const { label, confidence } = readLabel(text)
  const candidate = Object.hasOwn(labels, label) ? labels[label] : undefined
  const isSure = minConfidence === undefined || (confidence ?? -1) >= minConfidence
  const shown = label.slice(0, maxBranchLength)
  if (candidate === undefined || !isSure) return { candidate: router.default, by: 'default', label: shown }
  return { candidate, by: 'label', label: shown }
}

function readLabel(text: string): { readonly label: string; readonly confidence?: number } {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'string') return { label: value }
    if (!isRecord(value) || typeof value.label !== 'string') return { label: text.trim() }
    const { label, confidence } = value
    return { label, ...(typeof confidence === 'number' ? { confidence } : {}) }
  } catch {
    return { label: text.trim() }
  }
}

async function answerBy<A extends Answered>(
  { content, engines }: LoadedRouter,
  { branch: chosen, used }: Choice,
  ask: Ask<A>,
): Promise<Routed<A>> {
  const rest = content.fallbacks.map((candidate, fallback): Branch => ({ ...chosen, candidate, fallback }))
  const ways = [chosen, ...rest.filter(({ candidate }) => candidate !== chosen.candidate)]
  let soFar = used
  let failed: Routed<A> = { branch: chosen, used, error: undefined }
  for (const branch of ways) {
    const engine = engines[branch.candidate]
    if (engine === undefined) throw new SluiceError('not_found', `The router has no candidate ${branch.candidate}.`)
    try {
      const answer = await ask(engine)
      return { branch, used: sumUsed(soFar, answer), answer }
    } catch (error) {
      soFar = sumUsed(soFar, usedBy(error))
      failed = { branch, used: soFar, error }
      if (!isWorthAnother(error)) break
    }
  }
  return failed
}

const isEngineFailure = (error: unknown): error is SluiceError =>
  error instanceof SluiceError && error.code === 'engine_failed'

/** A request that is refused, or whose answer cannot be read, would fare no better elsewhere. */
const isWorthAnother = (error: unknown): boolean => isEngineFailure(error) && error.details.retryable === true

/** A failed call is not billed, but whoever asked has waited for it. */
const usedBy = (error: unknown): Used => {
  const latencyMs = isEngineFailure(error) ? error.details.latencyMs : undefined
  return typeof latencyMs === 'number' ? { ...nothingUsed, latencyMs } : nothingUsed
}

/** Only the amounts: an answer holds more. */
export const sumUsed = (a: Used, b: Used): Used => ({
  latencyMs: a.latencyMs + b.latencyMs,
  inputTokens: a.inputTokens + b.inputTokens,
  cachedTokens: a.cachedTokens + b.cachedTokens,
  outputTokens: a.outputTokens + b.outputTokens,
  costUsd: a.costUsd + b.costUsd,
  uncachedCostUsd: a.uncachedCostUsd + b.uncachedCostUsd,
})
