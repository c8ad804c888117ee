import type { Endpoints } from '../engines/engine'
import type { SluiceError } from '../errors'
import type { Postprocessors } from '../pipeline/postprocess'

/** What an application tells `connect`. Only the first three are needed. */
export interface ConnectOptions {
  /** Base URL of the Sluice server. */
  readonly url: string
  /** A key of the role `app`. */
  readonly apiKey: string
  readonly environment: string
  /** Where the endpoints that engines name are; needed by `run` only. */
  readonly endpoints?: Endpoints
  /** Code that composites post-process by, under its digest; needed by `run` where a composite names one. */
  readonly postprocessors?: Postprocessors
  /** Where the last known good snapshot is kept, so that the application starts with everything else down. */
  readonly cacheDir?: string
  /** Age at which a snapshot that the server did not confirm counts as stale. Default 300,000. */
  readonly maxStaleMs?: number
  /** Throw `snapshot_stale` instead of serving with `stale: true`. */
  readonly failWhenStale?: boolean
  /** Serve by the head, flagged `behind`, where a binding is newer than the snapshot, instead of `snapshot_behind`. */
  readonly allowBehind?: boolean
  /** How often reports are sent. Default 1,000. */
  readonly flushIntervalMs?: number
  /** How long `connect` waits for the server before it starts from disk. Default 5,000. */
  readonly connectTimeoutMs?: number
  /**
   * This machine's clock, ms since the epoch. It may be wrong, but has to run: it is corrected by the server's, and where
   * it leaves the monotonic clock behind, the machine slept.
   */
  readonly clock?: () => number
  readonly onChange?: (event: ChangeEvent) => void
  readonly onStale?: (event: StaleEvent) => void
  readonly onError?: (error: SluiceError) => void
}

/** The snapshot that is served by changed. */
export interface ChangeEvent {
  readonly version: string
  /** Absent: the first one. */
  readonly previous?: string
}

/** The server has not confirmed the snapshot for longer than `maxStaleMs`. */
export interface StaleEvent {
  /** `Infinity`: no server ever confirmed it to this process. */
  readonly ageMs: number
}

export interface SluiceEvents {
  readonly change: ChangeEvent
  readonly stale: StaleEvent
  readonly error: SluiceError
}

export type Listener<K extends keyof SluiceEvents> = (event: SluiceEvents[K]) => void

/** A listener that throws is the application's own fault and must not break serving: its error is rethrown outside. */
export class Emitter {
  private readonly listeners = new Map<keyof SluiceEvents, Set<(event: never) => void>>()

  on<K extends keyof SluiceEvents>(name: K, listener: Listener<K>): () => void {
    const set = this.listeners.get(name) ?? new Set()
    this.listeners.set(name, set)
    set.add(listener)
    return () => set.delete(listener)
  }

  emit<K extends keyof SluiceEvents>(name: K, event: SluiceEvents[K]): void {
    for (const listener of [...(this.listeners.get(name) ?? [])]) {
      try {
        listener(event as never)
      } catch (error) {
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}
