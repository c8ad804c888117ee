import type { Digest } from './version'

/** What a provider said that it ran. Either may be absent: not every provider tells both. */
export interface ProviderPair {
  readonly model?: string
  readonly fingerprint?: string
  /** The candidate that answered, where the composite has a router: each is a provider of its own. */
  readonly candidate?: string
}

/** Stands for a router's classifier in the place of a candidate; no candidate can have this name. */
export const classifierName = '(classifier)'

/** How a change became certain. */
export type ChangeBasis = 'evaluation' | 'reproduction' | 'traffic' | 'person'

/** A provider that returned another model or fingerprint under an unchanged composite: its evidence is void. */
export interface ProviderChange {
  readonly id: Digest
  /** Under which it changed; for a judge, the digest of its engine version. */
  readonly composite: Digest
  /** It is the engine of a judge that changed: verdicts that it took part in are void. */
  readonly judge?: true
  /** What was known of it before, the newest last. */
  readonly from: readonly ProviderPair[]
  readonly to: ProviderPair
  readonly basis: ChangeBasis
  readonly by: string
  readonly reason: string
  /** Milliseconds since the epoch, by the store's clock. */
  readonly firstSeenAt: number
  readonly at: number
  /** The composite's count of changes with this one: evidence of a lower epoch is void. */
  readonly epoch: number
}

/** A pair that applications report and that nothing else has confirmed yet. It voids nothing. */
export interface SuspectedChange {
  readonly id: Digest
  readonly composite: Digest
  readonly to: ProviderPair
  readonly firstSeenAt: number
  /** API keys that reported it, and the conversations that they reported it in. */
  readonly principals: number
  readonly conversations: number
}

/** Who must agree before reports of applications void evidence: one API key must not be able to do it alone. */
export const trafficRule = { principals: 2, conversationsEach: 5, conversations: 20 } as const

/** Whether the pair says something that none of the known ones does. Where nothing is known, nothing has changed. */
export function isChange(pair: ProviderPair, known: readonly ProviderPair[]): boolean {
  const { model, fingerprint, candidate } = pair
  const own = known.filter((one) => one.candidate === candidate)
  const models = own.flatMap((one) => one.model ?? [])
  if (model !== undefined && models.length > 0 && !models.includes(model)) return true
  const alike = own.filter((one) => model === undefined || one.model === undefined || one.model === model)
  const fingerprints = alike.flatMap((one) => one.fingerprint ?? [])
  return fingerprint !== undefined && fingerprints.length > 0 && !fingerprints.includes(fingerprint)
}

/** Whether the reports of each API key, conversations by key, are enough by `trafficRule`. */
export function isAgreed(conversationsByPrincipal: readonly (readonly string[])[]): boolean {
  const agreeing = conversationsByPrincipal.filter((own) => new Set(own).size >= trafficRule.conversationsEach)
  const all = new Set(conversationsByPrincipal.flat())
  return agreeing.length >= trafficRule.principals && all.size >= trafficRule.conversations
}

/** `sim-large (fp_2)`; of a router's candidate `large: sim-large (fp_2)`. */
export function pairText({ model, fingerprint, candidate }: ProviderPair): string {
  const of = candidate === undefined ? '' : `${candidate}: `
  if (model === undefined) return of + (fingerprint === undefined ? 'nothing' : `fingerprint ${fingerprint}`)
  return of + (fingerprint === undefined ? model : `${model} (${fingerprint})`)
}

/** The pair of whatever carries one, and no more. */
export const pairOf = ({ model, fingerprint, candidate }: ProviderPair): ProviderPair => ({
  ...(model === undefined ? {} : { model }),
  ...(fingerprint === undefined ? {} : { fingerprint }),
  ...(candidate === undefined ? {} : { candidate }),
})
