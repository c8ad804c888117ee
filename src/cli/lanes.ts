import type { Composite } from '../domain/composite'
import type { LaneState } from '../domain/lane'
import type { ProviderChange, SuspectedChange } from '../domain/provider-change'
import type { Reporter } from '../store/reporters'
import type { Cli } from './cli'

/** A lane as the API shows it: its state, what it serves, and who reports. */
export interface ActiveLane extends LaneState {
  readonly composite?: Composite
  readonly reporters: readonly Reporter[]
  /** Changes that make the evidence of what serves void, and such as are only suspected. */
  readonly providerChanges: readonly ProviderChange[]
  readonly suspectedChanges: readonly SuspectedChange[]
}

export const lanePath = (environment: string, task: string): string =>
  `/v1/environments/${encodeURIComponent(environment)}/tasks/${encodeURIComponent(task)}`

/** Throws `unknown_task`; a lane in which nothing was ever deployed has head 0. */
export const readLane = ({ api }: Cli, environment: string, task: string): Promise<ActiveLane> =>
  api.get<ActiveLane>(`${lanePath(environment, task)}/active`)
