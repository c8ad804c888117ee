import { createHash, randomUUID } from 'node:crypto'
import type { Slice } from '../src/domain/allocation'
import type { RequestRecord, StratumKey, TelemetryBatch, UnitReport } from '../src/domain/telemetry'
import type { Digest } from '../src/domain/version'
import { createLedger, type Ledger } from '../src/store/ledger'
import { openStore, type Store } from '../src/store/store'

export const environment = 'production'

const digestOf = (text: string): Digest => `sha256:${createHash('sha256').update(text).digest('hex')}`
const policy = digestOf('policy')

/** A store on a database of its own; its ledger has no gate, which is not what is measured here. */
export interface LiveGround {
  readonly store: Store
  readonly ledger: Ledger
  end(): Promise<void>
}

export async function liveGround(mongodbUri: string): Promise<LiveGround> {
  const store = await openStore(mongodbUri, `bench_${randomUUID().slice(0, 8)}`)
  const ledger = createLedger(store.database, {
    rolloutEnvironment: async () => environment,
    holdContents: async () => undefined,
    assertDeployable: async () => undefined,
  })
  return {
    store,
    ledger,
    async end() {
      await store.database.db.dropDatabase()
      await store.database.close()
    },
  }
}

/** The lane of one task in the middle of a release: half of all conversations, or tenants, are on the candidate. */
export interface LiveLane {
  readonly task: string
  readonly releaseId: string
  readonly step: string
  readonly seq: number
  readonly by: Slice['by']
  readonly incumbent: Digest
  readonly candidate: Digest
}

export async function openLane(ledger: Ledger, task: string, by: Slice['by']): Promise<LiveLane> {
  const [releaseId, step] = [`release-${task}`, 'rollout-1']
  const [incumbent, candidate] = [digestOf(`incumbent of ${task}`), digestOf(`candidate of ${task}`)]
  const place = { environment, task, policy, leadMs: 0 }
  const settle = { cause: 'settle', by: 'bench', incumbent, exposure: [], salt: 'first' } as const
  const settled = await ledger.forward({ ...place, key: 'first/settle/append', draft: settle, expectedBase: 0 })
  const { entry } = await ledger.forward({
    ...place,
    key: `${releaseId}/${step}/append`,
    draft: {
      cause: 'step',
      by: 'bench',
      releaseId,
      salt: releaseId,
      incumbent,
      candidate,
      exposure: [{ to: 'rest', basisPoints: 5_000, by }],
      thresholds: { costUsd: 0.05, latencyMs: 2_000 },
    },
    expectedBase: settled.entry.seq,
  })
  return { task, releaseId, step, seq: entry.seq, by, incumbent, candidate }
}

export type LiveArm = 'candidate' | 'incumbent'

export const stratumOf = (lane: LiveLane, arm: LiveArm): Omit<StratumKey, 'environment'> => ({
  task: lane.task,
  seq: lane.seq,
  slice: 0,
  arm,
  composite: lane[arm],
})

export const unitName = (number: number): string => number.toString(16).padStart(16, '0')

/** One conversation, of about one in fifty with an error. */
export function unitOf(number: number, tenant: string, revision = 1): UnitReport {
  const failed = number % 50 === 0
  const costUsd = (0.01 + (number % 17) / 1_000) * revision
  return {
    unit: unitName(number),
    tenant,
    part: 0,
    revision,
    requests: revision,
    errors: failed ? 1 : 0,
    schemaFailures: 0,
    costUsd,
    uncachedCostUsd: costUsd,
    latencyMs: (700 + (number % 300)) * revision,
    inputTokens: 900 * revision,
    cachedTokens: 0,
    outputTokens: 120 * revision,
    events: failed ? ['error'] : [],
    closed: true,
    gap: false,
  }
}

export function requestOf(lane: LiveLane, arm: LiveArm, number: number): RequestRecord {
  const { costUsd, uncachedCostUsd, latencyMs, inputTokens, cachedTokens, outputTokens } = unitOf(number, '')
  return {
    ...stratumOf(lane, arm),
    requestId: randomUUID(),
    tenant: `tenant-${number % 1_000}`,
    conversation: unitName(number),
    reason: 'slice',
    binding: `b1.${lane.seq}.0`,
    at: Date.now(),
    outcome: 'ok',
    ...{ costUsd, uncachedCostUsd, latencyMs, inputTokens, cachedTokens, outputTokens },
    cacheAgeMs: 40,
    headSeq: lane.seq,
    tenantSeq: 0,
    stale: false,
  }
}

export const batchOf = (changes: Partial<TelemetryBatch>): TelemetryBatch => ({
  reporter: 'bench-reporter',
  environment,
  appliedHeads: {},
  strata: [],
  requests: [],
  late: [],
  lateOutcomes: [],
  dropped: 0,
  ...changes,
})
