import type { Digest } from './version'

/** The standard rings, from the most to the least willing; a policy's slices name them. */
export const rings = ['internal', 'pilot', 'early', 'general'] as const
export type Ring = (typeof rings)[number]

/** A composite fixed for a tenant in one lane. `head` is the lane's seq when it was written. */
export interface LanePin {
  readonly composite: Digest
  readonly head: number
}

export interface TenantTask {
  /** Whether the tenant runs this task; absent: runs every task that supersedes none. */
  readonly runs?: boolean
  /** Environment → the incumbent of the moment of the opt-out. */
  readonly optOut?: Readonly<Record<string, LanePin>>
  /** Environment → the tenant's own composite. */
  readonly override?: { readonly base: Digest; readonly pins: Readonly<Record<string, LanePin>> }
}

export interface TenantState {
  readonly ring: Ring
  readonly region?: string
  readonly locale?: string
  readonly contacts: readonly string[]
  readonly tasks: Readonly<Record<string, TenantTask>>
}

/** One entry of a tenant's append-only ledger; it carries the whole state after it. */
export interface TenantEntry {
  readonly tenant: string
  readonly seq: number
  readonly at: number
  readonly by: string
  readonly reason: string
  readonly state: TenantState
  readonly prev: string
  readonly hash: string
}

/** A tenant that the ledger does not know. */
export const unknownTenant: TenantState = { ring: 'general', contacts: [], tasks: {} }
