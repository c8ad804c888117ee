import type { ShadowPair } from '../../src/domain/shadow'

interface PairsOf {
  readonly releaseId: string
  readonly task: string
  /** Of the first conversation. */
  readonly from?: number
  readonly outcome?: 'ok' | 'error'
}

/** One pair of answers of each of so many conversations, as an application tells them. */
export function shadowPairs(count: number, { releaseId, task, from = 0, outcome = 'ok' }: PairsOf): ShadowPair[] {
  const answer = { outcome: 'ok' as const, latencyMs: 100, costUsd: 0.01, uncachedCostUsd: 0.01 }
  return Array.from({ length: count }, (_, index) => ({
    ...{ releaseId, task, requestId: `request-${from + index}`, tenant: 'acme', at: Date.now() },
    unit: (from + index).toString(16).padStart(16, '0'),
    candidate: { ...answer, outcome },
    incumbent: answer,
  }))
}
