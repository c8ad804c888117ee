import { setTimeout as pause } from 'node:timers/promises'
import type { ChangeStreamDocument, ResumeToken, Timestamp } from 'mongodb'
import { type CompiledSnapshot, compileSnapshot } from '../domain/compiled-snapshot'
import { diffSnapshots, type Snapshot, type SnapshotDelta } from '../domain/snapshot'
import { SluiceError } from '../errors'
import { SnapshotBuilder, type SnapshotSource, snapshotCollections } from '../store/snapshots'

export type SnapshotListener = (delta: SnapshotDelta, text: string) => void

export interface Attached {
  readonly version: string
  /** The current snapshot as JSON. */
  readonly text: string
  readonly missed: readonly SnapshotDelta[] | undefined
  detach(): void
}

interface Watched {
  current: CompiledSnapshot
  text: string
  /** The newest last: a chain, each delta starting where the one before ended. */
  readonly recent: SnapshotDelta[]
  readonly listeners: Set<SnapshotListener>
}

const maxEnvironments = 16
const maxRecentDeltas = 256
const awaitMs = 1_000
const refreshMs = 5 * 60_000
const backoffMs = { first: 100, most: 5_000 }
const silenceMs = 5_000

/**
 * The environments' snapshots of one server. It follows the database's change stream once, whatever the number of
 * clients, and rebuilds by reading at every change; the first change triggers at once, those that come while it reads
 * are taken together by one more reading.
 */
export class SnapshotHub {
  private readonly watched = new Map<string, Watched>()
  private readonly opening = new Map<string, Promise<Watched>>()
  private readonly builder: SnapshotBuilder
  private readonly source: SnapshotSource
  private readonly ending = new AbortController()
  private following: Promise<void> | undefined
  private rebuilding: Promise<void> | undefined
  private dirty = false
  private token: ResumeToken | undefined
  private confirmedAt = 0

  constructor(source: SnapshotSource) {
    this.source = source
    this.builder = new SnapshotBuilder(source)
  }

  /** The current snapshot, compiled, and as JSON text. */
  async current(environment: string): Promise<{ readonly compiled: CompiledSnapshot; readonly text: string }> {
    const { current, text } = await this.watch(environment)
    return { compiled: current, text }
  }

  /**
   * Calls `listener` at every change from now on. `missed` leads from the version the caller has to the current one
   * without a gap to what the listener will get; undefined when the caller's version is too long ago.
   */
  async attach(environment: string, from: string | undefined, listener: SnapshotListener): Promise<Attached> {
    const { current, text, recent, listeners } = await this.watch(environment)
    listeners.add(listener)
    const { version } = current.snapshot
    const start = from === version ? recent.length : recent.findIndex((delta) => delta.from === from)
    return {
      version,
      text,
      missed: start < 0 ? undefined : recent.slice(start),
      detach: () => listeners.delete(listener),
    }
  }

  /** Whether MongoDB confirmed within the last seconds that there is nothing newer. */
  get confirmed(): boolean {
    return Date.now() - this.confirmedAt < silenceMs
  }

  async close(): Promise<void> {
    this.ending.abort()
    await this.following
    await this.rebuilding
  }

  private async watch(environment: string): Promise<Watched> {
    const known = this.watched.get(environment)
    if (known) return known
    const opening = this.opening.get(environment) ?? this.open(environment)
    this.opening.set(environment, opening)
    try {
      return await opening
    } finally {
      this.opening.delete(environment)
    }
  }

  private async open(environment: string): Promise<Watched> {
    if (this.watched.size >= maxEnvironments) {
      throw new SluiceError('unknown_environment', `This server already serves ${maxEnvironments} environments.`)
    }
    const since = await this.operationTime()
    const snapshot = await this.build(environment)
    const watched: Watched = {
      current: compileSnapshot(snapshot),
      text: JSON.stringify(snapshot),
      recent: [],
      listeners: new Set(),
    }
    this.watched.set(environment, watched)
    if (this.following === undefined) this.following = this.follow(since)
    else this.changed()
    return watched
  }

  private async build(environment: string): Promise<Snapshot> {
    return this.builder.build(environment, await this.source.database.now())
  }

  /** A moment before any reading that starts after it, so that no change falls between reading and following. */
  private async operationTime(): Promise<Timestamp> {
    const answer = await this.source.database.db.command({ ping: 1 })
    return answer.operationTime
  }

  private async follow(since: Timestamp): Promise<void> {
    let wait = backoffMs.first
    let from: Timestamp | undefined = since
    while (!this.ending.signal.aborted) {
      try {
        await this.followOnce(from, () => {
          wait = backoffMs.first
        })
      } catch (error) {
        if (this.ending.signal.aborted) return
        // A token that MongoDB no longer knows cannot be resumed from; reading everything again replaces it.
        if (isLostToken(error)) this.token = undefined
        from = undefined
        await pause(wait * (0.5 + Math.random() / 2), undefined, { signal: this.ending.signal }).catch(() => undefined)
        wait = Math.min(wait * 2, backoffMs.most)
      }
    }
  }

  private async followOnce(since: Timestamp | undefined, onProgress: () => void): Promise<void> {
    const start = this.token
      ? { resumeAfter: this.token }
      : { startAtOperationTime: since ?? (await this.operationTime()) }
    const match = { 'ns.coll': { $in: [...snapshotCollections] } }
    const stream = this.source.database.db.watch([{ $match: match }, { $project: { _id: 1, operationType: 1 } }], {
      ...start,
      maxAwaitTimeMS: awaitMs,
    })
    const stop = () => void stream.close().catch(() => undefined)
    this.ending.signal.addEventListener('abort', stop, { once: true })
    let readAt = 0
    try {
      if (since === undefined) this.changed()
      while (!this.ending.signal.aborted) {
        const change: ChangeStreamDocument | null = await stream.tryNext()
        this.token = stream.resumeToken
        this.confirmedAt = Date.now()
        onProgress()
        if (readAt === 0) readAt = this.confirmedAt
        // Entries leave by time alone, without a change in the database.
        const aged = this.confirmedAt - readAt > refreshMs
        if (aged) readAt = this.confirmedAt
        if (change !== null || aged) this.changed()
      }
    } finally {
      this.ending.signal.removeEventListener('abort', stop)
      await stream.close().catch(() => undefined)
    }
  }

  private changed(): void {
    this.dirty = true
    this.rebuilding ??= this.rebuild().finally(() => {
      this.rebuilding = undefined
    })
  }

  private async rebuild(): Promise<void> {
    let wait = backoffMs.first
    while (this.dirty && !this.ending.signal.aborted) {
      this.dirty = false
      try {
        for (const [environment, watched] of this.watched) publish(watched, await this.build(environment))
        wait = backoffMs.first
      } catch {
        // The change is still to be read; clients see the missing heartbeat meanwhile.
        this.dirty = true
        this.confirmedAt = 0
        await pause(wait, undefined, { signal: this.ending.signal }).catch(() => undefined)
        wait = Math.min(wait * 2, backoffMs.most)
      }
    }
  }
}

function publish(watched: Watched, next: Snapshot): void {
  const before = watched.current.snapshot
  if (next.version === before.version) return
  const delta = diffSnapshots(before, next)
  watched.current = compileSnapshot(next)
  watched.text = JSON.stringify(next)
  watched.recent.push(delta)
  if (watched.recent.length > maxRecentDeltas) watched.recent.shift()
  const text = JSON.stringify(delta)
  for (const listener of watched.listeners) listener(delta, text)
}

/** ChangeStreamHistoryLost, ChangeStreamFatalError, InvalidResumeToken. */
const lostTokenCodes = [286, 280, 260]

const isLostToken = (error: unknown): boolean => lostTokenCodes.includes((error as { code?: number }).code ?? 0)
