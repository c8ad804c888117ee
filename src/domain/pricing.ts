import type { EngineContent } from './contents'

/** Tokens of one request. `inputTokens` are all tokens of the prompt; the cached ones are a part of them. */
export interface TokenUsage {
  readonly inputTokens: number
  readonly cachedTokens: number
  readonly outputTokens: number
}

export interface Cost {
  /** As billed: cached tokens at their own price. */
  readonly costUsd: number
  /** Price-equivalent without the provider's prompt cache: an arm with little traffic hits it less, through no fault of its own. */
  readonly uncachedCostUsd: number
}

const tokensPerPrice = 1_000_000

/** Source of the prices: the pinned engine version, in USD per million tokens. */
export function costOf(price: EngineContent['pricePerMillion'], usage: TokenUsage): Cost {
  const cached = Math.min(usage.cachedTokens, usage.inputTokens)
  const output = usage.outputTokens * price.output
  return {
    costUsd: ((usage.inputTokens - cached) * price.input + cached * price.cachedInput + output) / tokensPerPrice,
    uncachedCostUsd: (usage.inputTokens * price.input + output) / tokensPerPrice,
  }
}

/** An upper bound of what a call may cost before it is made: about one token for three characters, the full answer. */
export function worstCostUsd(engine: EngineContent, characters: number): number {
  const output = engine.parameters.maxOutputTokens ?? assumedOutputTokens
  const input = Math.ceil(characters / charactersPerTokenAtLeast)
  return costOf(engine.pricePerMillion, { inputTokens: input, cachedTokens: 0, outputTokens: output }).uncachedCostUsd
}

/** A text as long as an answer of the engine may be, by the same measure. */
export const longestOutput = (engine: EngineContent): string =>
  'x'.repeat((engine.parameters.maxOutputTokens ?? assumedOutputTokens) * charactersPerTokenAtLeast)

const assumedOutputTokens = 4096
const charactersPerTokenAtLeast = 3
