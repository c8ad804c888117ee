import type { Endpoints } from '../src/engines/engine'
import type { Store } from '../src/store/store'

/** What the activities of a release work with; the composition root builds it. */
export interface ReleaseDeps {
  readonly store: Store
  readonly endpoints: Endpoints
  /** Where file channels write. Absolute. */
  readonly notesFolder: string
}
