import type { Store } from '../../../src/store/store'
import type { CutGround } from './cut-ground'
import type { Apart } from './database-image'

/** A call that changes something, as a caller would send it. */
export interface RouteCall {
  readonly path: string
  readonly body?: unknown
  /** Instead of a body: a file. */
  readonly file?: string
}

export interface RouteCase {
  /** `POST /v1/artifacts`, as the server names it. */
  readonly route: string
  /** Where a route has more than one. */
  readonly about?: string
  /** Puts into the database what the call needs; it begins as every other case does. */
  prepare(ground: CutGround): Promise<RouteCall>
  /** Collection → why nobody is misled by what a cut leaves there. */
  readonly mayStay?: Readonly<Record<string, string>>
  /** `collection.field` → why a repetition may leave another value there. */
  readonly apart?: Apart
  /** The call writes nothing but its answer: it reads, or the write is somebody else's. */
  readonly writesNothing?: string
  /** Status of the answer; absent: 200, 201 or 202. */
  readonly status?: number
  /** Waits for what goes on in the background. */
  settled?(store: Store): Promise<void>
}
