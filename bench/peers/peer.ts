/** What a flag system is asked: the same as `resolve`, with the tenant's ring given by the application. */
export interface PeerRequest {
  readonly task: string
  readonly tenant: string
  readonly ring: string
  readonly conversation: string
}

/** The same allocation in every task: whoever overrides is pinned, of the others a share by conversation is on the candidate. */
export interface PeerWorld {
  readonly tasks: readonly string[]
  /** Tenants that are pinned in a task. */
  readonly pinned: (task: string) => readonly string[]
  /** Share of the candidate in hundredths of a per cent, by ring; `rest` for all others. */
  readonly pilotBasisPoints: number
  readonly restBasisPoints: number
}

export const arms = { pinned: 'pinned', candidate: 'candidate', incumbent: 'incumbent' } as const
export type PeerArm = keyof typeof arms

/** Another system that decides the same, set up in this process without a network. */
export interface Peer {
  readonly name: string
  /** Decides every request and answers what each was given; only this is timed. */
  decide(requests: readonly PeerRequest[]): readonly string[] | Promise<readonly string[]>
  close(): void | Promise<void>
}
