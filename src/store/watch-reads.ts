import { laneId } from '../domain/allocation'
import { emptyLane, type LaneState } from '../domain/lane'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import type { AssessorDeps } from './assessor'
import { batchedReads } from './batched-reads'
import type { ReleaseRecord } from './releases'
import type { Silence } from './reporters'
import type { Store } from './store'

/** What looks at releases read, those of one process together: 300 of them ask for much the same every second. */
export type WatchReads = Omit<AssessorDeps, 'catalog' | 'releases'> & {
  readonly release: (id: string) => Promise<ReleaseRecord>
}

export function watchReads(store: Store): WatchReads {
  const { ledger, releases, telemetry, evidence, providers, readings, beforeAfter, shadows, captures } = store
  const lanes = batchedReads<LaneState>((ids) => ledger.lanesNamed(ids))
  const records = batchedReads<ReleaseRecord>((ids) => releases.named(ids))
  const fullSets = batchedReads<true>((ids) => telemetry.evidence.fullOf(ids))
  const epochs = batchedReads<number>((ids) => providers.epochs(ids as readonly Digest[]))
  const silences = batchedReads<Silence>(async (environments) => {
    const told = environments.map(async (of) => [of, await telemetry.reporters.silence(of)] as const)
    return new Map(await Promise.all(told))
  })
  return {
    evidence,
    readings,
    beforeAfter,
    shadows,
    captures,
    ledger: {
      async lane(environment, task) {
        return (await lanes.read(laneId(environment, task))) ?? emptyLane(environment, task)
      },
    },
    telemetry: {
      read: telemetry.read,
      reporters: { silence: async (environment) => (await silences.read(environment)) ?? 'none' },
      evidence: {
        sources: (question) => telemetry.evidence.sources(question),
        tenants: (question, minimumEvents) => telemetry.evidence.tenants(question, minimumEvents),
        topTenant: (question) => telemetry.evidence.topTenant(question),
        async isFull(environment, task, seqs) {
          const full = await Promise.all(seqs.map((seq) => fullSets.read(`${laneId(environment, task)}/${seq}`)))
          return full.includes(true)
        },
      },
    },
    providers: {
      /** A composite that never had a change has none to be read. */
      async changes(filter = {}) {
        const { composites } = filter
        if (composites === undefined) return providers.changes(filter)
        const counts = await Promise.all(composites.map((composite) => epochs.read(composite)))
        return counts.every((count) => count === 0) ? [] : providers.changes(filter)
      },
    },
    async release(id) {
      const found = await records.read(id)
      if (found === undefined) throw new SluiceError('not_found', `No release ${id}; \`sluice release ls\` lists them.`)
      return found
    },
  }
}
