import { failsBy } from '../domain/quality'
import { conversationIdOf } from './capture-documents'
import type { Database } from './database'
import type { Issued } from './issued'
import type { OutcomeDocument, RequestLog } from './request-log'
import type { OutcomeWork, TelemetryWriter } from './telemetry-writer'

/** After each try that found no conversation; then the outcome is only shown. */
const retryAfterMs = [5_000, 30_000, 120_000, 600_000, 3_600_000, 21_600_000]

export interface OutcomeJoinDeps {
  readonly database: Database
  readonly issued: Issued
  readonly requests: RequestLog
  readonly writer: TelemetryWriter
}

/** As applications name their conversations: the first 64 bits of the same hash. */
export const unitOf = (tenant: string, conversation: string): string =>
  conversationIdOf(tenant, conversation).slice(0, 16)

/**
 * Joins told values with the units of their conversations, the longest due first; returns how many were looked at. The stratum is
 * the one that the request log says the conversation was first served in, never one that the teller names. Safe with
 * other servers doing the same, and with one that dies before it has marked what it joined: the first value of a unit stays.
 */
export async function joinOutcomes(deps: OutcomeJoinDeps, limit: number): Promise<number> {
  const rows = deps.database.collection<OutcomeDocument>('lateOutcomes')
  const now = await deps.database.now()
  const due = await rows
    .find({ joinAt: { $lte: new Date(now) } })
    .sort({ joinAt: 1 })
    .limit(limit)
    .toArray()
  if (due.length === 0) return 0
  const found = await Promise.all(due.map((row) => workOf(deps, row)))
  const works = found.flatMap((one) => (typeof one === 'string' ? [] : [one]))
  const unknown = new Set(works.length === 0 ? [] : await deps.writer.join(works))
  await rows.bulkWrite(
    due.map((row, index) => {
      const work = found[index]
      const missing = work === 'unknown' || (typeof work === 'object' && unknown.has(work))
      return { updateOne: { filter: { _id: row._id }, update: missing ? later(row, now) : done } }
    }),
    { ordered: false },
  )
  return due.length
}

const done = { $unset: { joinAt: '', attempts: '' } } as const

function later({ attempts = 0 }: OutcomeDocument, now: number) {
  const wait = retryAfterMs[attempts]
  return wait === undefined ? done : { $set: { joinAt: new Date(now + wait), attempts: attempts + 1 } }
}

/** `unwatched`: nothing counts this metric there. `unknown`: the request of the conversation may still be on its way. */
async function workOf(
  { issued, requests }: OutcomeJoinDeps,
  { environment, task, tenant, conversation, metric, value, sources = [] }: OutcomeDocument,
): Promise<OutcomeWork | 'unwatched' | 'unknown'> {
  const key = await requests.firstStratum(environment, { task, tenant, conversation })
  if (key === undefined) return 'unknown'
  const entry = key.arm === 'none' ? undefined : await issued.entryOf(key)
  const rule = typeof entry === 'object' ? entry.quality?.find((one) => one.metric === metric) : undefined
  if (rule === undefined) return 'unwatched'
  const told = { value, failed: failsBy(rule.custom, value), sources }
  return { key, unit: unitOf(tenant, conversation), metric, told }
}
