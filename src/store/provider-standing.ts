import type { LaneState } from '../domain/lane'
import type { ProviderChange, SuspectedChange } from '../domain/provider-change'
import type { Store } from './store'

/** What providers changed under the composites that a lane serves. */
export interface ProviderStanding {
  /** Whose evidence is void since, and was not renewed. */
  readonly providerChanges: readonly ProviderChange[]
  readonly suspectedChanges: readonly SuspectedChange[]
}

export async function providerStanding(
  { providers, evidence }: Pick<Store, 'providers' | 'evidence'>,
  { incumbent, candidate }: Pick<LaneState, 'incumbent' | 'candidate'>,
): Promise<ProviderStanding> {
  const composites = [incumbent, candidate].filter((composite) => composite !== undefined)
  if (composites.length === 0) return { providerChanges: [], suspectedChanges: [] }
  const changes: ProviderChange[] = []
  for (const composite of composites) {
    const [newest] = await providers.changes({ composites: [composite] })
    if (newest !== undefined && !(await evidence.isRenewed(composite))) changes.push(newest)
  }
  return { providerChanges: changes, suspectedChanges: await providers.suspected(composites) }
}
