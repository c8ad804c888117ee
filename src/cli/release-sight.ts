import type { ReleaseView } from '../api/release-commands'
import type { Assessment } from '../domain/guardrail'
import { isClosed } from '../domain/release'
import { SluiceError } from '../errors'
import type { Decision, ReleaseRecord } from '../store/releases'
import type { ApiClient } from './client'

/** Everything that can be seen of a release at one moment. */
export interface ReleaseSight extends ReleaseView {
  /** Those after the last sight, or all. */
  readonly decisions: readonly Decision[]
  /** What the guardrails say now; of a closed release what they said at its last decision. */
  readonly assessment?: Assessment
}

export const releasePath = (id: string): string => `/v1/releases/${encodeURIComponent(id)}`

const decisionPage = 500

/** Looks at a release; `after`: the last decision that is known already. */
export async function seeRelease(api: ApiClient, id: string, after = 0): Promise<ReleaseSight> {
  const path = releasePath(id)
  const view = await api.get<ReleaseView>(path)
  const { items } = await api.get<{ items: readonly Decision[] }>(`${path}/decisions`, { after, limit: decisionPage })
  const assessment = isClosed(view.record.phase) ? judgedAt(items) : await judgedNow(api, view.record)
  return { ...view, decisions: items, ...(assessment === undefined ? {} : { assessment }) }
}

/** Undefined before the plan: there is nothing to judge yet. */
async function judgedNow(api: ApiClient, record: ReleaseRecord): Promise<Assessment | undefined> {
  if (record.plan === undefined) return undefined
  try {
    return (await api.get<{ assessment: Assessment }>(`${releasePath(record.id)}/metrics`)).assessment
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'not_found') return undefined
    throw error
  }
}

interface JudgedEvidence {
  readonly judged?: { readonly assessment?: Assessment }
}

const judgedAt = (decisions: readonly Decision[]): Assessment | undefined =>
  decisions.map(({ evidence }) => (evidence as JudgedEvidence).judged?.assessment).findLast((one) => one !== undefined)
