import type { Facts, FullStory } from './facts'
import type { ServedRow } from './messages'

/** When harm began, was decided on, and ended. By the store's clock. */
export interface SpikeTimes {
  readonly name: string
  /** The candidate's first bad answer; absent where it gave none. */
  readonly firstBadAt?: number
  readonly decidedAt: number
  /** Negative: the last request of the candidate was resolved before the decision. */
  readonly lastServedAfterMs: number
  readonly lastAnswerAfterMs: number
  readonly candidateRequests: number
  readonly candidateConversations: number
}

export function timesOf({ story, rows, entries }: Facts, name: keyof FullStory): SpikeTimes {
  const { record, decisions } = story[name]
  const ownEntries = entries.filter(({ releaseId }) => releaseId === record.id)
  const threshold = ownEntries.find(({ thresholds }) => thresholds !== undefined)?.thresholds?.costUsd ?? Infinity
  const isBad = (row: ServedRow): boolean => row.outcome !== 'ok' || row.uncachedCostUsd > threshold
  const served = rows.filter(({ composite }) => composite === record.candidate)
  const bad = served.filter(isBad).map(({ answeredAt }) => answeredAt)
  const decidedAt = decisions.find(({ kind }) => kind === 'rollback')?.at ?? Number.NaN
  const last = (times: readonly number[]): number => times.reduce((latest, time) => Math.max(latest, time), 0)
  return {
    name: story[name].plan.request.why,
    ...(bad.length === 0 ? {} : { firstBadAt: Math.min(...bad) }),
    decidedAt,
    lastServedAfterMs: last(served.map(({ resolvedAt }) => resolvedAt)) - decidedAt,
    lastAnswerAfterMs: last(served.map(({ answeredAt }) => answeredAt)) - decidedAt,
    candidateRequests: served.length,
    candidateConversations: new Set(served.map(({ tenant, conversation }) => `${tenant}/${conversation}`)).size,
  }
}
