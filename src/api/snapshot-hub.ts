import { setTimeout as pause } from 'node:timers/promises'
import { type CompiledSnapshot, compileSnapshot } from '../domain/compiled-snapshot'
import { diffSnapshots, type Snapshot, type SnapshotDelta } from '../domain/snapshot'
import { SluiceError } from '../errors'
import { ChangeFollower } from '../store/change-follower'
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
  private readonly follower: ChangeFollower
  private following = false
  private rebuilding: Promise<void> | undefined
  private dirty = false
  private failing = false
  /** By the monotonic clock: a jump of the wall clock must not make old news look fresh. */
  private confirmedAt = Number.NEGATIVE_INFINITY
  private readAt = 0

  constructor(source: SnapshotSource) {
    this.source = source
    this.builder = new SnapshotBuilder(source)
    this.follower = new ChangeFollower(source.database, snapshotCollections, {
      changed: () => this.changed(),
      confirmed: () => this.confirm(),
    })
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

  /** Whether MongoDB confirmed within the last seconds that there is nothing newer than what was read. */
  get confirmed(): boolean {
    return !this.failing && performance.now() - this.confirmedAt < silenceMs
  }

  async close(): Promise<void> {
    this.ending.abort()
    await this.follower.close()
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
    const since = await this.follower.now()
    const snapshot = await this.build(environment)
    const watched: Watched = {
      current: compileSnapshot(snapshot),
      text: JSON.stringify(snapshot),
      recent: [],
      listeners: new Set(),
    }
    this.watched.set(environment, watched)
    if (this.following) this.changed()
    else this.follower.start(since)
    this.following = true
    return watched
  }

  private async build(environment: string): Promise<Snapshot> {
    return this.builder.build(environment, await this.source.database.now())
  }

  private confirm(): void {
    this.confirmedAt = performance.now()
    // Entries leave by time alone, without a change in the database.
    if (this.confirmedAt - this.readAt > refreshMs) this.changed()
  }

  private changed(): void {
    this.dirty = true
    this.rebuilding ??= this.rebuild()
  }

  private async rebuild(): Promise<void> {
    let wait = backoffMs.first
    while (this.dirty && !this.ending.signal.aborted) {
      this.dirty = false
      this.readAt = performance.now()
      this.failing = !(await this.readAll())
      if (this.failing) {
        // The change is still to be read; clients see the missing heartbeat meanwhile.
        this.dirty = true
        await pause(wait, undefined, { signal: this.ending.signal }).catch(() => undefined)
        wait = Math.min(wait * 2, backoffMs.most)
      } else wait = backoffMs.first
    }
    // In the same turn as the last look at `dirty`, so that no change falls in between.
    this.rebuilding = undefined
  }

  /** Whether every environment could be read; one that cannot does not hold up the others. */
  private async readAll(): Promise<boolean> {
    let whole = true
    for (const [environment, watched] of this.watched) {
      try {
        publish(watched, await this.build(environment))
      } catch {
        whole = false
      }
    }
    return whole
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
