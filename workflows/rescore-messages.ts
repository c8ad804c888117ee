import { defineQuery } from '@temporalio/workflow'
import type { RescoreOutcome, RescoreState, RescoreStatus } from '../src/domain/rescore'

/** Input of the workflow type `rescore`. From the Temporal UI `{task, suite, by}` is enough. */
export interface RescoreInput {
  readonly task: string
  /** A reference, such as `suite/airline@1.1.0`. */
  readonly suite: string
  /** Who asked; a claim, when started without the API. */
  readonly by: string
  /** Composites scored lately that are scored again, beside those that serve. */
  readonly recent?: number
  /** Given by the API, which has planned already; made by the first activity otherwise. */
  readonly rescoreId?: string
  /** How far the run before a continue-as-new came. */
  readonly from?: { readonly of: number; readonly next: number; readonly done: number; readonly failed: number }
}

export interface RescorePlanned {
  readonly rescoreId: string
  /** Composites to score. */
  readonly of: number
}

export interface RescoreItemRequest {
  readonly rescoreId: string
  readonly index: number
}

export interface RescoreItemOutcome {
  readonly composite: string
  readonly outcome: RescoreOutcome
}

/** The effects of a rescore. Every one carries its key, and may run twice. */
export interface RescoreActivities {
  planRescore(request: RescoreInput): Promise<RescorePlanned>
  rescoreItem(request: RescoreItemRequest): Promise<RescoreItemOutcome>
  closeRescore(request: { readonly rescoreId: string; readonly state: Exclude<RescoreState, 'running'> }): Promise<void>
}

export const rescoreStatus = defineQuery<RescoreStatus>('status')

const maxTextLength = 300
const maxRecent = 100
const isText = (value: unknown): value is string =>
  typeof value === 'string' && value.trim() !== '' && value.length <= maxTextLength

/** Reads what somebody typed into the Temporal UI; undefined where it is none. */
export function readRescoreInput(value: unknown): RescoreInput | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { task, suite, by, recent, rescoreId, from } = value as Partial<RescoreInput>
  if (!isText(task) || !isText(suite) || !isText(by)) return undefined
  if (rescoreId !== undefined && !isText(rescoreId)) return undefined
  if (recent !== undefined && !(Number.isInteger(recent) && recent >= 0 && recent <= maxRecent)) return undefined
  return {
    ...{ task, suite, by },
    ...(recent === undefined ? {} : { recent }),
    ...(rescoreId === undefined ? {} : { rescoreId }),
    ...(from === undefined ? {} : { from }),
  }
}
