import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import type { CompositeDocument } from './composite-documents'
import type { Database } from './database'
import { garbageRoots, type Root, verdictRoots } from './garbage-roots'
import type { VersionDocument } from './version-documents'

/** How something was reached: from what, and as what. A root is reached from nothing. */
interface Step {
  readonly from?: Digest
  readonly text: string
}

/** Versions and composites that are needed, by digest. What is merely recent is not among them: its age speaks for it. */
export interface Reach {
  isNeeded(digest: Digest): boolean
  readonly size: number
  /** From a root down to the thing, in words; empty where nothing leads to it. */
  path(digest: Digest): readonly string[]
}

/** Digests of what is needed are held in memory, with how each was reached: about 400 bytes each. */
const maxReached = 2_000_000
const pageSize = 500

/**
 * Walks from everything that is kept for its own sake: composites to their pins, versions to what they refer to, and what
 * served to its immediate parents. Reads no content. Throws payload_too_large.
 */
export async function reachOf(database: Database, cutoff: Date): Promise<Reach> {
  const walk = new Walk(database)
  for await (const root of garbageRoots(database, cutoff)) await walk.root(root)
  await walk.served()
  await walk.recent(cutoff)
  await walk.held()
  return walk
}

type Tier = Root['tier']
type Node = Root['node']
type Queue = Readonly<Record<Node, Digest[]>>

class Walk implements Reach {
  private readonly database: Database
  private readonly steps = new Map<Digest, Step>()
  /** Held ones wait until all that served is walked: a thing reached as both is walked as served. */
  private readonly queues: Readonly<Record<Tier, Queue>> = {
    served: { composite: [], version: [] },
    held: { composite: [], version: [] },
  }
  private readonly walked = new Set<Digest>()

  constructor(database: Database) {
    this.database = database
  }

  get size(): number {
    return this.steps.size
  }

  isNeeded(digest: Digest): boolean {
    return this.steps.has(digest)
  }

  path(digest: Digest): readonly string[] {
    const texts: string[] = []
    for (let step = this.steps.get(digest); step !== undefined; ) {
      texts.push(step.text)
      step = step.from === undefined ? undefined : this.steps.get(step.from)
    }
    return texts.reverse()
  }

  async root({ node, digest, tier, why }: Root): Promise<void> {
    this.reach({ node, digest, tier }, { text: why })
  }

  async served(): Promise<void> {
    await this.drain('served')
  }

  async held(): Promise<void> {
    await this.drain('held')
  }

  /** A version that was registered or used lately keeps what it refers to. */
  async recent(cutoff: Date): Promise<void> {
    const lately = {
      $or: [{ createdAt: { $gte: cutoff } }, { usedAt: { $gte: cutoff } }],
      'references.0': { $exists: true },
    }
    const versions = this.database.collection<VersionDocument>('versions')
    for await (const { _id, references } of versions.find(lately, { projection: { references: 1 } })) {
      for (const { digest, path } of references) {
        this.reach({ node: 'version', digest, tier: 'held' }, { text: `${path} of ${_id}, which is recent` })
      }
    }
  }

  private reach({ node, digest, tier }: Omit<Root, 'why'>, step: Step): void {
    if (!this.steps.has(digest)) {
      if (this.steps.size >= maxReached) {
        throw new SluiceError('payload_too_large', `More than ${maxReached} versions and composites are needed.`)
      }
      this.steps.set(digest, step)
    }
    if (!this.walked.has(digest)) this.queues[tier][node].push(digest)
  }

  private async drain(tier: Tier): Promise<void> {
    const queue = this.queues[tier]
    while (queue.composite.length + queue.version.length > 0) {
      const composites = this.next(queue.composite)
      if (composites.length > 0) await this.composites(composites, tier)
      const versions = this.next(queue.version)
      if (versions.length > 0) await this.versions(versions, tier)
    }
  }

  private next(queue: Digest[]): readonly Digest[] {
    const page = new Set<Digest>()
    while (page.size < pageSize) {
      const digest = queue.pop()
      if (digest === undefined) break
      if (!this.walked.has(digest)) page.add(digest)
    }
    for (const digest of page) this.walked.add(digest)
    return [...page]
  }

  private async composites(ids: readonly Digest[], tier: Tier): Promise<void> {
    const found = this.database
      .collection<CompositeDocument>('composites')
      .find({ _id: { $in: [...ids] } }, { projection: { pins: 1, parents: 1 } })
    for await (const { _id, pins, parents } of found) {
      for (const { role, ref, digest } of pins) {
        this.reach({ node: 'version', digest, tier }, { from: _id, text: `${ref}, ${role} of the composite ${_id}` })
      }
      if (tier === 'held') continue
      for (const parent of parents ?? []) {
        this.reach(
          { node: 'composite', digest: parent, tier: 'held' },
          { from: _id, text: `${parent}, parent of ${_id}` },
        )
      }
    }
    if (tier === 'held') return
    for await (const root of verdictRoots(this.database, ids)) await this.root(root)
  }

  private async versions(digests: readonly Digest[], tier: Tier): Promise<void> {
    const found = this.database
      .collection<VersionDocument>('versions')
      .find({ digest: { $in: [...digests] } }, { projection: { digest: 1, references: 1, parents: 1 } })
    for await (const { _id, digest: from, references, parents } of found) {
      for (const { digest, path } of references) {
        this.reach({ node: 'version', digest, tier }, { from, text: `${path} of ${_id}` })
      }
      if (tier === 'held') continue
      for (const parent of parents) {
        this.reach({ node: 'version', digest: parent, tier: 'held' }, { from, text: `parent of ${_id}, which served` })
      }
    }
  }
}
