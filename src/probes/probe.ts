import type { ProbeAnswer } from '../domain/probe'

/** What is asked, with everything that an answer depends on. */
export interface ProbeQuestion {
  /** In the provider's own language, without placeholders. */
  readonly query: string
  /** The base URL and the key of the provider; identity does not depend on them. */
  readonly endpoint: { readonly url: string; readonly apiKey?: string }
  /** Ends the question; an aborted one is answered as `provider_down`. */
  readonly signal: AbortSignal
}

/** One protocol by which a provider of metrics is asked for a number. */
export interface ProbeProvider {
  readonly name: string
  /** Never throws: whatever goes wrong is an answer too, with one of two reasons. Reads a bounded part of any body. */
  readonly ask: (question: ProbeQuestion) => Promise<ProbeAnswer>
}
