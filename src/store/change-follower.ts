import { setTimeout as pause } from 'node:timers/promises'
import type { ChangeStreamDocument, ResumeToken, Timestamp } from 'mongodb'
import type { Database } from './database'

/** A document that was written. */
export interface Change {
  readonly collection: string
  readonly id: string
  /** It was not there before; else it was altered or taken away. */
  readonly isNew: boolean
}

export interface FollowerSink {
  changed(change: Change): void
  /** Anything may have changed: MongoDB no longer knows what happened since. */
  lost(): void
  /** MongoDB said just now that there is nothing that was not told. */
  confirmed(): void
}

const awaitMs = 500
const backoffMs = { first: 100, most: 5_000 }
/** ChangeStreamHistoryLost, ChangeStreamFatalError, InvalidResumeToken. */
const lostTokenCodes = [286, 280, 260]

/**
 * Follows some collections through one change stream. A broken stream is resumed by its token, so that every change is
 * told; where there is none, or MongoDB no longer knows it, the reader is told that anything may have changed.
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
    let from = since
    let wait = backoffMs.first
    while (!signal.aborted) {
      try {
        await this.followOnce(from, () => {
          wait = backoffMs.first
        })
      } catch (error) {
        if (signal.aborted) return
        const isLost = lostTokenCodes.includes((error as { code?: number }).code ?? 0)
        await pause(wait * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined)
        wait = Math.min(wait * 2, backoffMs.most)
        if (isLost) from = await this.afresh(from)
      }
    }
  }

  /** From now on; what is read from here on is followed without a gap. */
  private async afresh(from: Timestamp): Promise<Timestamp> {
    try {
      const now = await this.now()
      this.token = undefined
      this.sink.lost()
      return now
    } catch {
      // MongoDB is away; the next attempt fails by the same token and comes here again.
      return from
    }
  }

  private tell(change: ChangeStreamDocument): void {
    if ('documentKey' in change && 'coll' in change.ns) {
      const isNew = change.operationType === 'insert'
      this.sink.changed({ collection: change.ns.coll, id: String(change.documentKey._id), isNew })
    } else this.sink.lost()
  }

  private async followOnce(since: Timestamp, onProgress: () => void): Promise<void> {
    const stream = this.database.db.watch(
      [
        { $match: { 'ns.coll': { $in: [...this.collections] } } },
        { $project: { _id: 1, operationType: 1, ns: 1, documentKey: 1 } },
      ],
      { ...(this.token ? { resumeAfter: this.token } : { startAtOperationTime: since }), maxAwaitTimeMS: awaitMs },
    )
    const stop = () => void stream.close().catch(() => undefined)
    this.ending.signal.addEventListener('abort', stop, { once: true })
    try {
      while (!this.ending.signal.aborted) {
        const change = await stream.tryNext()
        this.token = stream.resumeToken
        onProgress()
        this.sink.confirmed()
        if (change !== null) this.tell(change)
      }
    } finally {
      this.ending.signal.removeEventListener('abort', stop)
      await stream.close().catch(() => undefined)
    }
  }
}
