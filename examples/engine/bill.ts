import type { ChatResponse } from './protocol'

/** What one API key is billed for one model: answered requests and their tokens, as the answers told them. */
export interface BillLine {
  readonly key: string
  readonly model: string
  readonly answers: number
  readonly promptTokens: number
  /** Part of `promptTokens`. */
  readonly cachedTokens: number
  readonly completionTokens: number
}

/** Keys beyond it are billed together under `other`. */
const maxKeys = 1_000
const nobody = 'anonymous'
const others = 'other'

/** The engine's own books, kept apart from what its callers report. Failed requests cost nothing. */
export interface Bill {
  add(authorization: string | undefined, response: ChatResponse): void
  lines(): readonly BillLine[]
}

export function createBill(): Bill {
  const lines = new Map<string, BillLine>()
  return {
    add(authorization, { model, usage }) {
      const named = authorization?.replace(/^Bearer /, '') || nobody
      const key = lines.has(`${named} ${model}`) || lines.size < maxKeys ? named : others
      const before = lines.get(`${key} ${model}`)
      lines.set(`${key} ${model}`, {
        key,
        model,
        answers: (before?.answers ?? 0) + 1,
        promptTokens: (before?.promptTokens ?? 0) + usage.prompt_tokens,
        cachedTokens: (before?.cachedTokens ?? 0) + usage.prompt_tokens_details.cached_tokens,
        completionTokens: (before?.completionTokens ?? 0) + usage.completion_tokens,
      })
    },
    lines: () => [...lines.values()],
  }
}
