import {
  type Direction,
  type Lineage,
  type LineageEdge,
  type LineageNode,
  lineageLimits,
  type Relation,
} from '../domain/lineage'
import { parseRef } from '../domain/ref'
import type { Standing } from '../domain/standing'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import type { Database } from './database'
import { ancestorLinks, descendantLinks, type Link, type Links } from './lineage-links'
import { loadPage, type Stored } from './lineage-page'
import type { Standings } from './standing'
import { databaseView } from './version-view'

export interface LineageQuery {
  readonly direction: Direction
  /** Edges from the root, at most `lineageLimits.depth`. */
  readonly depth: number
  /** At most `lineageLimits.nodes`. */
  readonly nodes: number
  /** Also the versions that composites pin, and what these come from; else composites lead to composites only. */
  readonly versions: boolean
}

export type LineageRoot = { readonly composite: Digest } | { readonly version: string }

/** Ancestry graphs, level by level: a few queries a level, whatever the number of nodes. */
export interface LineageStore {
  /** Throws not_found, unknown_ref, malformed_ref. */
  lineage(root: LineageRoot, query: LineageQuery): Promise<Lineage>
}

export function createLineage(database: Database, standings: Standings): LineageStore {
  return {
    async lineage(root, query) {
      const first = await rootOf(database, root)
      const walk = new Walk(database, query)
      await walk.from(first)
      return walk.graph(first.id, standings)
    },
  }
}

async function rootOf(database: Database, root: LineageRoot): Promise<Stored> {
  if ('version' in root) {
    const { content: _content, ...document } = await databaseView(database).find(parseRef(root.version))
    return { id: document._id, version: document }
  }
  const page = await loadPage(database, [root.composite])
  const composite = page.composites.get(root.composite)
  if (composite !== undefined) return { id: composite._id, composite }
  throw new SluiceError('not_found', `No composite ${root.composite} is committed here.`, { id: root.composite })
}

/** One walk along one direction; a node is followed once, however many ways lead to it. */
class Walk {
  private readonly database: Database
  private readonly query: LineageQuery
  private readonly reached = new Map<string, Stored>()
  private readonly edges = new Map<string, LineageEdge>()
  private readonly cut = new Set<string>()

  constructor(database: Database, query: LineageQuery) {
    this.database = database
    this.query = query
  }

  async from(root: Stored): Promise<void> {
    this.reached.set(root.id, root)
    let level: readonly Stored[] = [root]
    const depth = Math.min(this.query.depth, lineageLimits.depth)
    for (let step = 0; step <= depth && level.length > 0; step += 1) {
      const { links, cut } = await this.linksOf(level)
      if (cut) for (const { id } of level) this.cut.add(id)
      if (step === depth) {
        // Nothing is followed from the last level; it only says whether there was more.
        for (const { near, far } of links) if (!this.reached.has(far.id)) this.cut.add(near)
        return
      }
      level = this.follow(links)
    }
  }

  private linksOf(level: readonly Stored[]): Promise<Links> {
    const { direction, versions, nodes } = this.query
    const options = { versions, limit: Math.min(nodes, lineageLimits.nodes) + level.length }
    return direction === 'ancestors'
      ? ancestorLinks(this.database, level, options)
      : descendantLinks(this.database, level, options)
  }

  private follow(links: readonly Link[]): readonly Stored[] {
    const fresh: Stored[] = []
    const limit = Math.min(this.query.nodes, lineageLimits.nodes)
    for (const { near, far, relation, text } of links) {
      if (near === far.id) continue
      if (!this.reached.has(far.id)) {
        if (this.reached.size >= limit) {
          this.cut.add(near)
          continue
        }
        this.reached.set(far.id, far)
        fresh.push(far)
      }
      const [from, to] = this.query.direction === 'ancestors' ? [near, far.id] : [far.id, near]
      this.edges.set(`${from} ${to} ${relation} ${text ?? ''}`, edgeOf(from, to, relation, text))
    }
    return fresh
  }

  async graph(root: string, standings: Standings): Promise<Lineage> {
    const stored = [...this.reached.values()]
    const versions = stored.flatMap((one) => ('version' in one ? [one.version.digest] : []))
    const composites = stored.flatMap((one) => ('composite' in one ? [one.composite._id] : []))
    const known = new Map([
      ...(versions.length === 0 ? [] : await standings.ofVersions(versions)),
      ...(composites.length === 0 ? [] : await standings.ofComposites(composites)),
    ])
    return {
      root,
      direction: this.query.direction,
      nodes: stored.map((one) => nodeOf(one, known, this.cut.has(one.id))),
      edges: [...this.edges.values()],
      truncated: this.cut.size > 0,
    }
  }
}

const edgeOf = (from: string, to: string, relation: Relation, text: string | undefined): LineageEdge => ({
  from,
  to,
  relation,
  ...(text === undefined ? {} : { text }),
})

function nodeOf(stored: Stored, standings: ReadonlyMap<Digest, Standing>, more: boolean): LineageNode {
  if ('version' in stored) {
    const { _id, kind, digest, author, createdAt, description, promotion, origin } = stored.version
    return {
      ...{ id: _id, digest, more, type: 'version', kind, description },
      author: origin?.author ?? author,
      createdAt: (origin?.createdAt ?? createdAt).toISOString(),
      standing: standings.get(digest) ?? nowhere,
      ...(promotion === undefined ? {} : { promotedOver: promotion.losers.length }),
    }
  }
  if ('composite' in stored) {
    const { _id, pins, createdAt, origin } = stored.composite
    return {
      ...{ id: _id, digest: _id, more, type: 'composite' },
      roles: Object.fromEntries(pins.map(({ role, ref }) => [role, ref])),
      createdAt: (origin?.createdAt ?? createdAt).toISOString(),
      standing: standings.get(_id) ?? nowhere,
    }
  }
  return { id: stored.id, digest: stored.unknown, more, type: 'unknown' }
}

const nowhere: Standing = { active: [], activeLanes: 0, tested: false, scores: [] }
