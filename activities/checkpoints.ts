import { log } from '@temporalio/activity'
import { type Checkpoint, checkpointDue, checkpointText } from '../src/domain/checkpoint'
import type { Judgement } from '../src/store/assessor'
import type { Releases } from '../src/store/releases'

type CheckpointStore = Pick<Releases, 'keepCheckpoint' | 'lastCheckpoint'>

/**
 * The looks of the safety clock that stay: what a backtest reads. They come after whatever the look asks for was done, and
 * one that cannot be kept is tried again at the next tick: no rollback waits for them.
 */
export class Checkpoints {
  private readonly store: CheckpointStore
  private readonly releaseId: string
  private last: Checkpoint | undefined

  private constructor(store: CheckpointStore, releaseId: string, last: Checkpoint | undefined) {
    this.store = store
    this.releaseId = releaseId
    this.last = last
  }

  /** Goes on where an earlier attempt of the watch was. */
  static async open(store: CheckpointStore, releaseId: string): Promise<Checkpoints> {
    return new Checkpoints(store, releaseId, await store.lastCheckpoint(releaseId))
  }

  /** Keeps the look where it is worth it. */
  async keep({ input, assessment }: Judgement): Promise<void> {
    const checkpoint = checkpointDue(this.last, { input, assessment })
    if (checkpoint === undefined) return
    const draft = { releaseId: this.releaseId, reason: checkpointText(checkpoint) }
    try {
      await this.store.keepCheckpoint(draft, { checkpoint, judged: { input, assessment } })
      this.last = checkpoint
    } catch (error) {
      log.warn('a look could not be kept; the next tick tries again', { error: String(error) })
    }
  }
}
