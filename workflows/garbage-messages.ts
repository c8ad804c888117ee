import { defineQuery } from '@temporalio/workflow'
import type { GarbagePhase, GarbageRun, GarbageTally } from '../src/domain/retention'

/** Input of the workflow type `collectGarbage`. From the Temporal UI `{"by": "…"}` is enough. */
export interface GarbageInput {
  /** Who asked; a claim, when started without the API. */
  readonly by: string
  /** Given by the API, which has opened it already; opened by the first activity otherwise. */
  readonly runId?: string
  /** Started by the schedule: nothing is dropped unless the policy says that it may. */
  readonly scheduled?: boolean
}

export type GarbageStatus =
  | { readonly kind: 'opening' }
  /** The schedule came, and nobody turned retention on. */
  | { readonly kind: 'off' }
  | ({ readonly kind: 'run' } & Pick<GarbageRun, 'id' | 'state' | 'phase' | 'totals' | 'failure'>)

/** The effects of a run of retention. Every one may run twice, or be cut off and go on from what is stored. */
export interface GarbageActivities {
  /** Undefined: the schedule may not drop anything. */
  openGarbageRun(request: GarbageInput): Promise<GarbageRun | undefined>
  collectGarbagePart(request: { readonly runId: string; readonly phase: GarbagePhase }): Promise<GarbageTally>
  /** Returns the run as it ended: somebody else may have closed it before. */
  closeGarbageRun(request: {
    readonly runId: string
    readonly state: 'done' | 'failed' | 'cancelled'
    readonly failure?: string
  }): Promise<GarbageRun>
}

export const garbageStatus = defineQuery<GarbageStatus>('status')

const maxTextLength = 300
const isText = (value: unknown): value is string =>
  typeof value === 'string' && value.trim() !== '' && value.length <= maxTextLength

/** Reads what somebody typed into the Temporal UI; undefined where it is none. */
export function readGarbageInput(value: unknown): GarbageInput | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { by, runId, scheduled } = value as Partial<GarbageInput>
  if (!isText(by)) return undefined
  if (runId !== undefined && !isText(runId)) return undefined
  if (scheduled !== undefined && typeof scheduled !== 'boolean') return undefined
  return { by, ...(runId === undefined ? {} : { runId }), ...(scheduled === undefined ? {} : { scheduled }) }
}
