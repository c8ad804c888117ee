import type { ReleaseView } from '../api/release-commands'
import type { Assessment } from '../domain/guardrail'
import type { ArmPercentiles } from '../domain/percentiles'
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
  /** Of closed conversations, by arm. */
  readonly percentiles?: ArmPercentiles
}

export const releasePath = (id: string): string => `/v1/releases/${encodeURIComponent(id)}`

const decisionPage = 500

/** Looks at a release; `after`: the last decision that is known already. */
export async function seeRelease(api: ApiClient, id: string, after = 0): Promise<ReleaseSight> {
  const path = releasePath(id)
  const view = await api.get<ReleaseView>(path)
  const query = { after, limit: decisionPage, checkpoints: false }
  const { items } = await api.get<{ items: readonly Decision[] }>(`${path}/decisions`, query)
  const figures = await figuresOf(api, view.record)
  const assessment = isClosed(view.record.phase) ? judgedAt(items) : figures?.assessment
  return {
    ...view,
    decisions: items,
    ...(assessment === undefined ? {} : { assessment }),
    ...(figures === undefined ? {} : { percentiles: figures.percentiles }),
  }
}

/** Undefined before the plan: there is nothing to judge yet. */
async function figuresOf(api: ApiClient, record: ReleaseRecord): Promise<Figures | undefined> {
  if (record.plan === undefined) return undefined
  try {
    return await api.get<Figures>(`${releasePath(record.id)}/metrics`)
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'not_found') return undefined
    throw error
  }
}

interface Figures {
  readonly assessment: Assessment
  readonly percentiles: ArmPercentiles
}

interface JudgedEvidence {
  readonly judged?: { readonly assessment?: Assessment }
}

const judgedAt = (decisions: readonly Decision[]): Assessment | undefined =>
  decisions.map(({ evidence }) => (evidence as JudgedEvidence).judged?.assessment).findLast((one) => one !== undefined)
