import type { EngineSeen } from './evaluation'
import type { ProviderPair } from './provider-change'

/** Distinct models and fingerprints of one engine that are told, and those of all that are followed. */
const maxEngines = 10
const maxSeenEngines = 1_000

/** Which models and fingerprints answered, how often and when. */
export class EngineFold {
  private readonly engines = new Map<string, EngineSeen>()

  add({ model = 'unknown', fingerprint = 'unknown', candidate }: ProviderPair, measuredAt: number): void {
    const key = `${candidate ?? ''}\u0000${model}\u0000${fingerprint}`
    const seen = this.engines.get(key)
    if (!seen && this.engines.size >= maxSeenEngines) return
    this.engines.set(key, {
      model,
      fingerprint,
      ...(candidate === undefined ? {} : { candidate }),
      results: (seen?.results ?? 0) + 1,
      from: Math.min(seen?.from ?? measuredAt, measuredAt),
      to: Math.max(seen?.to ?? measuredAt, measuredAt),
    })
  }

  /** The most frequent first; of each candidate so many that none of a router's is left out for another one's. */
  report(): readonly EngineSeen[] {
    const told = new Map<string, number>()
    return [...this.engines.values()]
      .sort((a, b) => b.results - a.results)
      .filter(({ candidate = '' }) => {
        told.set(candidate, (told.get(candidate) ?? 0) + 1)
        return (told.get(candidate) ?? 0) <= maxEngines
      })
  }
}
