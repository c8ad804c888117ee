import { chanceOf } from './chance'

/**
 * Faults that can be switched on while the engine runs. Each hits a share of the requests, chosen by the request
 * itself, so that the same request is hit again; `times` lets it through after so many tries.
 */
export const faultKinds = ['rate_limit', 'server_error', 'time_out', 'malformed', 'verbose', 'drift'] as const
export type FaultKind = (typeof faultKinds)[number]

export interface Fault {
  readonly kind: FaultKind
  /** Share of the requests that are hit, 0..1. */
  readonly share: number
  /** Tries of one request that are hit; absent: all. */
  readonly times?: number
  /** Of `rate_limit`: what the `retry-after` header says, in seconds. */
  readonly retryAfterSeconds?: number
}

/** Requests whose tries are remembered; the oldest are forgotten beyond it. */
const maxRemembered = 100_000

export interface Faults {
  set(faults: readonly Fault[]): void
  get(): readonly Fault[]
  /** The faults that hit this try of the request; counts the try. */
  hitting(key: string): readonly Fault[]
}

export function createFaults(initial: readonly Fault[]): Faults {
  let faults = initial
  let tries = new Map<string, number>()
  return {
    set(next) {
      faults = next
      tries = new Map()
    },
    get: () => faults,
    hitting(key) {
      if (faults.length === 0) return []
      const before = tries.get(key) ?? 0
      tries.set(key, before + 1)
      if (tries.size > maxRemembered) tries.delete(tries.keys().next().value ?? '')
      const chance = chanceOf(key)
      return faults.filter(({ kind, share, times }) => chance.uniform(kind) < share && before < (times ?? Infinity))
    },
  }
}

/** The faults a caller sent, or the words of what is wrong with them. */
export function readFaults(body: unknown): readonly Fault[] | string {
  if (!Array.isArray(body)) return 'send a JSON array of faults'
  for (const fault of body) {
    if (!faultKinds.includes(fault?.kind)) return `kind must be one of ${faultKinds.join(', ')}`
    if (typeof fault.share !== 'number' || fault.share < 0 || fault.share > 1) return 'share must be from 0 to 1'
  }
  return body as readonly Fault[]
}
