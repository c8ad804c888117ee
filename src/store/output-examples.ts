import type { LaneState } from '../domain/lane'
import type { Digest } from '../domain/version'
import { contentId, conversationIdOf, type IndexDocument } from './capture-documents'
import type { Database } from './database'
import type { LoggedRequest, RequestLog } from './request-log'

/** A request of each arm to hold side by side. What they said is read by people, by name, as any captured content. */
export interface ExamplePair {
  readonly candidate: Example
  readonly incumbent: Example
}

export interface Example {
  readonly requestId: string
  /** Its output was captured and has not expired. */
  readonly captured: boolean
}

const maxPairs = 3
const maxLookedAt = 200

/** The newest requests of both arms under the entries of a step, those that were captured first; fewer where an arm has fewer. */
export async function outputExamples(
  { database, requests }: { readonly database: Database; readonly requests: Pick<RequestLog, 'newest'> },
  { environment, task, candidate, incumbent }: LaneState,
  seqs: readonly number[],
): Promise<readonly ExamplePair[]> {
  if (candidate === undefined || incumbent === undefined) return []
  const newest = async (composite: Digest): Promise<readonly Example[]> => {
    const rows = await requests.newest({ environment, task, composite }, maxLookedAt)
    const ofStep = rows.filter(({ seq }) => seqs.includes(seq))
    const kept = await capturedOf(database, ofStep)
    const examples = ofStep.map(({ requestId }) => ({ requestId, captured: kept.has(requestId) }))
    return [...examples.filter(({ captured }) => captured), ...examples.filter(({ captured }) => !captured)]
  }
  const [own, other] = await Promise.all([newest(candidate), newest(incumbent)])
  return own.slice(0, maxPairs).flatMap((one, index) => {
    const control = other[index]
    return control === undefined ? [] : [{ candidate: one, incumbent: control }]
  })
}

async function capturedOf(database: Database, rows: readonly LoggedRequest[]): Promise<ReadonlySet<string>> {
  const ids = new Map(
    rows.map(({ requestId, tenant, conversation }) => {
      return [contentId(conversationIdOf(tenant, conversation), requestId), requestId] as const
    }),
  )
  const expiresAt = { $gt: await database.now() }
  const found = database.collection<IndexDocument>('captureIndex').find({ _id: { $in: [...ids.keys()] }, expiresAt })
  const kept = await found.project<{ _id: string }>({ _id: 1 }).toArray()
  return new Set(kept.flatMap(({ _id }) => ids.get(_id) ?? []))
}

/** As a sentence for the reason of a pause; empty where there is nothing to hold side by side. */
export function examplesText([first]: readonly ExamplePair[]): string {
  if (first === undefined) return ''
  const { candidate, incumbent } = first
  const how = candidate.captured && incumbent.captured ? 'sluice capture show' : 'nothing is captured: sluice explain'
  return `; hold side by side ${candidate.requestId} of the candidate and ${incumbent.requestId} of the incumbent (${how})`
}
