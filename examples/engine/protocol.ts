/** The part of the OpenAI chat protocol that the simulated engine speaks. */
export interface ChatRequest {
  readonly model: string
  readonly messages: readonly { readonly role: string; readonly content: string }[]
  readonly temperature?: number
  readonly seed?: number
  readonly max_tokens?: number
}

export interface ChatResponse {
  readonly id: string
  readonly object: 'chat.completion'
  readonly created: number
  readonly model: string
  readonly system_fingerprint: string
  readonly choices: readonly [
    {
      readonly index: 0
      readonly finish_reason: 'stop' | 'length'
      readonly message: { readonly role: 'assistant'; readonly content: string }
    },
  ]
  readonly usage: {
    readonly prompt_tokens: number
    readonly completion_tokens: number
    readonly total_tokens: number
    readonly prompt_tokens_details: { readonly cached_tokens: number }
  }
}

const charactersPerToken = 4
/** What the protocol itself adds to each message. */
const tokensPerMessage = 4

/** One token for four characters, rounded up. */
export const tokensOf = (text: string): number => Math.ceil(text.length / charactersPerToken)

export function promptTokensOf(messages: ChatRequest['messages']): number {
  return messages.reduce((sum, message) => sum + tokensOf(message.content) + tokensPerMessage, 0)
}

/** The text cut to so many tokens, and whether something was cut off. */
export function truncate(text: string, maxTokens: number): { readonly text: string; readonly cut: boolean } {
  const characters = maxTokens * charactersPerToken
  return { text: text.slice(0, characters), cut: text.length > characters }
}

/** The request, or the words of what is wrong with it. */
export function readChatRequest(body: unknown): ChatRequest | string {
  if (typeof body !== 'object' || body === null) return 'the body is not a JSON object'
  const { model, messages, temperature, seed, max_tokens } = body as Record<string, unknown>
  if (typeof model !== 'string') return 'model is missing'
  if (!Array.isArray(messages) || messages.length === 0) return 'messages is missing'
  const fits = messages.every((m) => typeof m?.role === 'string' && typeof m?.content === 'string')
  if (!fits) return 'each message needs a role and a text content'
  const number = (value: unknown, name: string) => (typeof value === 'number' ? { [name]: value } : {})
  return {
    model,
    messages: messages.map(({ role, content }) => ({ role, content })),
    ...number(temperature, 'temperature'),
    ...number(seed, 'seed'),
    ...number(max_tokens, 'max_tokens'),
  }
}
