import { setTimeout as pause } from 'node:timers/promises'
import type { ResumeToken, Timestamp } from 'mongodb'
import type { Database } from './database'

export interface FollowerSink {
  /** One of the collections changed, or may have while the stream was broken. */
  changed(): void
  /** MongoDB said just now that there is nothing that was not told. */
  confirmed(): void
}

const awaitMs = 500
const backoffMs = { first: 100, most: 5_000 }
/** ChangeStreamHistoryLost, ChangeStreamFatalError, InvalidResumeToken. */
const lostTokenCodes = [286, 280, 260]

/**
 * Follows some collections through one change stream. A broken stream is resumed by its token; where MongoDB no longer
 * knows the token, the reader is told that anything may have changed.
 */
export class ChangeFollower {
  private readonly database: Database
  private readonly collections: readonly string[]
  private readonly sink: FollowerSink
  private readonly ending = new AbortController()
  private following: Promise<void> = Promise.resolve()
  private token: ResumeToken | undefined

  constructor(database: Database, collections: readonly string[], sink: FollowerSink) {
    this.database = database
    this.collections = collections
    this.sink = sink
  }

  /** A moment before any reading that starts after it: what follows it misses no change. */
  async now(): Promise<Timestamp> {
    return (await this.database.db.command({ ping: 1 })).operationTime
  }

  start(since: Timestamp): void {
    this.following = this.follow(since)
  }

  async close(): Promise<void> {
    this.ending.abort()
    await this.following
  }

  private async follow(since: Timestamp): Promise<void> {
    const { signal } = this.ending
    let from: Timestamp | undefined = since
    let wait = backoffMs.first
    while (!signal.aborted) {
      try {
        await this.followOnce(from ?? (await this.now()), () => {
          wait = backoffMs.first
        })
      } catch (error) {
        if (signal.aborted) return
        if (lostTokenCodes.includes((error as { code?: number }).code ?? 0)) this.token = undefined
        from = undefined
        await pause(wait * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined)
        wait = Math.min(wait * 2, backoffMs.most)
      }
    }
  }

  private async followOnce(since: Timestamp, onProgress: () => void): Promise<void> {
    const stream = this.database.db.watch(
      [{ $match: { 'ns.coll': { $in: [...this.collections] } } }, { $project: { _id: 1, operationType: 1 } }],
      { ...(this.token ? { resumeAfter: this.token } : { startAtOperationTime: since }), maxAwaitTimeMS: awaitMs },
    )
    const stop = () => void stream.close().catch(() => undefined)
    this.ending.signal.addEventListener('abort', stop, { once: true })
    try {
      // After a break, or from the start: what is read from here on is followed without a gap.
      this.sink.changed()
      while (!this.ending.signal.aborted) {
        const change = await stream.tryNext()
        this.token = stream.resumeToken
        onProgress()
        this.sink.confirmed()
        if (change !== null) this.sink.changed()
      }
    } finally {
      this.ending.signal.removeEventListener('abort', stop)
      await stream.close().catch(() => undefined)
    }
  }
}
