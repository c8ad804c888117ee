import type { Snapshot } from '../domain/snapshot'
import type { CollectionSpec } from './database'
import { everything, LiveSnapshot } from './live-snapshot'
import type { SnapshotSource } from './snapshot-reading'

/** An entry leaves the snapshot by time alone, so the newest entries are found by time. */
export const snapshotIndexes: readonly CollectionSpec[] = [
  { name: 'allocations', indexes: [{ key: { environment: 1, at: 1 } }, { key: { environment: 1, cause: 1, at: 1 } }] },
]

/** Builds snapshots as a whole. */
export class SnapshotBuilder {
  private readonly source: SnapshotSource

  constructor(source: SnapshotSource) {
    this.source = source
  }

  /** Everything the environment resolves by. `now` is ms since the epoch by the store's clock. */
  async build(environment: string, now: number): Promise<Snapshot> {
    const live = new LiveSnapshot(this.source, environment)
    await live.update(everything, now)
    return live.snapshot
  }
}
