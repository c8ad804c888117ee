import type { ClientSession } from 'mongodb'
import type { Allocation, EntryDraft } from '../domain/allocation'
import type { Hold } from '../domain/lane'
import type { Digest } from '../domain/version'

/** Whether a composite may go forward; the ledger asks inside its transaction, so no path leads around it. */
export interface DeployGate {
  /** The environment that a release under this policy rolls out in; throws where `environment` is none of its own. */
  rolloutEnvironment(policy: Digest, environment: string, session: ClientSession): Promise<string>
  /**
   * Throws `content_dropped` where something that the composite rests on is gone; what is there is in use from now on, with
   * its immediate parents.
   */
  holdContents(composite: Digest, session: ClientSession): Promise<void>
  /** Throws `undeployable`, `change_breaks`. `incumbent` is the one of the lane that the release rolls out in. */
  assertDeployable(question: DeployQuestion, session: ClientSession): Promise<void>
}

export interface DeployQuestion {
  readonly task: string
  readonly candidate: Digest
  readonly incumbent?: Digest
  readonly policy: Digest
}

export interface Place {
  readonly environment: string
  readonly task: string
  /** `<releaseId>/<step>/<action>`. */
  readonly key: string
}

/** A forward entry: `cause` step or settle. */
export interface ForwardRequest extends Place {
  readonly draft: EntryDraft & { readonly cause: 'step' | 'settle' }
  /** The base seq that the writer last saw; 0 in an empty lane. */
  readonly expectedBase: number
  /** The policy of the release: its last environment's incumbent is what the evidence must name. */
  readonly policy: Digest
  readonly leadMs: number
}

export interface Penalties {
  readonly hold: boolean
  readonly veto: boolean
}

export interface RestoreRequest extends Place {
  readonly by: string
  readonly reason: string
  readonly penalties: Penalties
  /** Withdraw this release: a no-op where the head no longer holds it. */
  readonly releaseId?: string
  /** Go back to this settled composite; absent: the previous one. Not with `releaseId`. */
  readonly target?: Digest
  /** The base seq that the caller saw; where the lane moved since, `lane_moved` instead of a second step back. */
  readonly expectedBase?: number
}

export interface DisableRequest extends Place {
  readonly disabled: boolean
  readonly by: string
  readonly reason: string
}

export interface EntryRange {
  readonly from?: number
  readonly limit?: number
}

/** Of all entries of a lane: those that settled this composite, those before this seq. */
export interface HeadFilter {
  readonly settled?: Digest
  readonly before?: number
}

export interface Appended {
  readonly entry: Allocation
  /** False: an entry with this key was there before. */
  readonly created: boolean
}

export interface LiftRequest extends Omit<Place, 'key'> {
  /** This veto; absent: the hold. */
  readonly veto?: Digest
  readonly by: string
  readonly reason: string
}

/** A hold or a veto that a person took away; kept for ever. */
export interface Lift extends LiftRequest {
  readonly at: number
  /** What was lifted: who had set it, when and why. */
  readonly lifted: Hold
}
