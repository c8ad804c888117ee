import { setTimeout as pause } from 'node:timers/promises'
import { type CompiledSnapshot, compileSnapshot } from '../domain/compiled-snapshot'
import type { SnapshotDelta } from '../domain/snapshot'
import { SluiceError } from '../errors'
import { type Change, ChangeFollower } from '../store/change-follower'
import { everything, LiveSnapshot, type SnapshotChanges } from '../store/live-snapshot'
import type { SnapshotSource } from '../store/snapshot-reading'

export type SnapshotListener = (delta: SnapshotDelta) => void

export interface Attached {
  readonly version: string
  /** Undefined: the caller's version is not known here, so it has to fetch the whole. */
  readonly missed: readonly SnapshotDelta[] | undefined
  detach(): void
}

/** An environment's newest snapshot, in the form that is asked for; each is made once a version. */
export interface CurrentSnapshot {
  readonly version: string
  /** As JSON. */
  readonly text: string
  readonly compiled: CompiledSnapshot
}

/** The collections whose change can change a snapshot. */
const followed = ['allocations', 'tenantEntries', 'tasks', 'capturePolicies', 'shadows'] as const
const maxEnvironments = 16
const maxRecentDeltas = 256
/** More changes at once than this are not worth reading one by one. */
const maxPending = 20_000
const refreshMs = 5 * 60_000
const backoffMs = { first: 100, most: 5_000 }
const silenceMs = 5_000

/**
 * The environments' snapshots of one server. It follows the database's change stream once, whatever the number of
 * clients, and reads what was appended; the first change triggers at once, those that come while it reads are taken
 * together by one more reading.
 */
export class SnapshotHub {
  private readonly watched = new Map<string, Watched>()
  private readonly opening = new Map<string, Promise<Watched>>()
  private readonly source: SnapshotSource
  private readonly onFault: (error: unknown) => void
  private readonly ending = new AbortController()
  private readonly follower: ChangeFollower
  private following = false
  private reading: Promise<void> | undefined
  /** Since when the oldest of what was told waits for a reading; undefined: nothing waits. */
  private waitingSince: number | undefined
  /** The same of what is being read. */
  private readingSince: number | undefined
  private failing = false
  /** By the monotonic clock: a jump of the wall clock must not make old news look fresh. */
  private confirmedAt = Number.NEGATIVE_INFINITY
  private readAt = 0

  /** `onFault` hears why an environment cannot be read, once until all can be read again. */
  constructor(source: SnapshotSource, onFault: (error: unknown) => void = () => undefined) {
    this.source = source
    this.onFault = onFault
    this.follower = new ChangeFollower(source.database, followed, {
      changed: (change) => this.changed(change),
      lost: () => this.lost(),
      confirmed: () => this.confirm(),
    })
  }

  current(environment: string): Promise<CurrentSnapshot> {
    return this.watch(environment)
  }

  /**
   * Calls `listener` at every change from now on. `missed` leads from the version the caller has to the current one
   * without a gap to what the listener will get; undefined when the caller's version is too long ago.
   */
  async attach(environment: string, from: string | undefined, listener: SnapshotListener): Promise<Attached> {
    const { version, recent, listeners } = await this.watch(environment)
    listeners.add(listener)
    const start = from === version ? recent.length : recent.findIndex((delta) => delta.from === from)
    return {
      version,
      missed: start < 0 ? undefined : recent.slice(start),
      detach: () => listeners.delete(listener),
    }
  }

  /**
   * Whether MongoDB confirmed within the last seconds that there is nothing newer than what was read. A change stream that
   * answers is not enough: what it told of has to be read as well.
   */
  get confirmed(): boolean {
    const oldest = Math.min(
      this.readingSince ?? Number.POSITIVE_INFINITY,
      this.waitingSince ?? Number.POSITIVE_INFINITY,
    )
    const since = performance.now() - silenceMs
    return !this.failing && this.confirmedAt > since && oldest > since
  }

  async close(): Promise<void> {
    this.ending.abort()
    await this.follower.close()
    await this.reading
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
    const openedAt = performance.now()
    const since = await this.follower.now()
    const live = new LiveSnapshot(this.source, environment)
    await live.update(everything, await this.source.database.now())
    const watched = new Watched(live)
    this.watched.set(environment, watched)
    // What was told while this was read belongs to the others: only one more whole reading is sure to have it.
    if (this.following) {
      watched.pending.lost()
      this.read()
    } else {
      // All of it was read since: the first client needs no second word of the change stream.
      this.confirmedAt = openedAt
      this.follower.start(since)
    }
    this.following = true
    return watched
  }

  private confirm(): void {
    this.confirmedAt = performance.now()
    // Entries leave by time alone, without a change in the database.
    if (this.confirmedAt - this.readAt > refreshMs) this.read()
  }

  private changed(change: Change): void {
    for (const { pending } of this.watched.values()) pending.add(change)
    this.read()
  }

  private lost(): void {
    for (const { pending } of this.watched.values()) pending.lost()
    this.read()
  }

  private read(): void {
    this.waitingSince ??= performance.now()
    this.reading ??= this.readWhileDirty()
  }

  private async readWhileDirty(): Promise<void> {
    let wait = backoffMs.first
    while (this.waitingSince !== undefined && !this.ending.signal.aborted) {
      this.readingSince = this.waitingSince
      this.waitingSince = undefined
      this.readAt = performance.now()
      this.failing = !(await this.readAll())
      if (this.failing) {
        // The change is still to be read; clients see the missing heartbeat meanwhile.
        this.waitingSince = this.readingSince
        await pause(wait, undefined, { signal: this.ending.signal }).catch(() => undefined)
        wait = Math.min(wait * 2, backoffMs.most)
      } else wait = backoffMs.first
      this.readingSince = undefined
    }
    // In the same turn as the last look at what waits, so that no change falls in between.
    this.reading = undefined
  }

  /** Whether every environment could be read; one that cannot does not hold up the others. */
  private async readAll(): Promise<boolean> {
    let whole = true
    for (const watched of this.watched.values()) {
      try {
        await watched.update(await this.source.database.now())
      } catch (error) {
        // The first of a row: what is tried again fails again.
        if (!this.failing && whole) this.onFault(error)
        whole = false
      }
    }
    return whole
  }
}

/** One environment, with who is told of its changes. */
class Watched implements CurrentSnapshot {
  readonly listeners = new Set<SnapshotListener>()
  /** The newest last: a chain, each delta starting where the one before ended. */
  readonly recent: SnapshotDelta[] = []
  readonly pending = new PendingChanges()
  private readonly live: LiveSnapshot
  private kept: { readonly version: string; readonly text: string } | undefined
  private asCompiled: CompiledSnapshot | undefined

  constructor(live: LiveSnapshot) {
    this.live = live
  }

  get version(): string {
    return this.live.version
  }

  get text(): string {
    if (this.kept?.version !== this.version) this.kept = { version: this.version, text: this.live.text }
    return this.kept.text
  }

  get compiled(): CompiledSnapshot {
    this.asCompiled ??= compileSnapshot(this.live.snapshot)
    return this.asCompiled
  }

  async update(now: number): Promise<void> {
    const taken = this.pending.take()
    let delta: SnapshotDelta | undefined
    try {
      delta = await this.live.update(taken, now)
    } catch (error) {
      this.pending.putBack(taken)
      throw error
    }
    if (delta === undefined) return
    if (this.asCompiled?.apply(delta) === false) this.asCompiled = undefined
    this.recent.push(delta)
    if (this.recent.length > maxRecentDeltas) this.recent.shift()
    for (const listener of this.listeners) listener(delta)
  }
}

/** What was told of and is still to be read. */
class PendingChanges {
  private whole = false
  private tasks = false
  private allocations = new Set<string>()
  private tenantEntries = new Set<string>()

  add({ collection, id, isNew }: Change): void {
    const entries =
      collection === 'allocations' ? this.allocations : collection === 'tenantEntries' && this.tenantEntries
    if (!entries) this.tasks = true
    // Ledgers are appended to; whatever else happens to one is none of this server's doing.
    else if (isNew && entries.size < maxPending) entries.add(id)
    else this.whole = true
  }

  lost(): void {
    this.whole = true
  }

  take(): SnapshotChanges {
    const { whole, tasks, allocations, tenantEntries } = this
    this.whole = false
    this.tasks = false
    this.allocations = new Set()
    this.tenantEntries = new Set()
    return { whole, tasks, allocations, tenantEntries }
  }

  putBack({ whole, tasks, allocations, tenantEntries }: SnapshotChanges): void {
    this.whole ||= whole || allocations.size + tenantEntries.size > maxPending
    this.tasks ||= tasks
    for (const id of allocations) this.allocations.add(id)
    for (const id of tenantEntries) this.tenantEntries.add(id)
  }
}
