import { isDigest } from './ref'
import type { Standing } from './standing'
import type { Digest, KindName } from './version'

/**
 * Why one thing comes after another: `parent` is derived from it, `input` was transformed from it, `reference` names it
 * in its content, `role` pins it.
 */
export type Relation = 'parent' | 'input' | 'reference' | 'role'

/** `from` came after `to`. Both are ids of nodes. */
export interface LineageEdge {
  readonly from: string
  readonly to: string
  readonly relation: Relation
  /** What was changed between two composites, where in the content, or in which role. */
  readonly text?: string
}

interface NodeShape {
  /** `kind/name@semver` of a version, the digest of a composite and of what is not known here. */
  readonly id: string
  readonly digest: Digest
  /** Edges lead further from here that were not followed. */
  readonly more: boolean
}

export interface VersionNode extends NodeShape {
  readonly type: 'version'
  readonly kind: KindName
  readonly author: string
  /** ISO 8601. */
  readonly createdAt: string
  readonly description: string
  readonly standing: Standing
  /** How many others were considered when it was promoted; absent: it was not. */
  readonly promotedOver?: number
}

export interface CompositeNode extends NodeShape {
  readonly type: 'composite'
  /** Role → label. */
  readonly roles: Readonly<Record<string, string>>
  readonly createdAt: string
  readonly standing: Standing
}

/** What something names as its parent or input, and nothing here has: it was never here, or came without its past. */
export interface UnknownNode extends NodeShape {
  readonly type: 'unknown'
}

export type LineageNode = VersionNode | CompositeNode | UnknownNode

export const directions = ['ancestors', 'descendants'] as const
export type Direction = (typeof directions)[number]

/** An ancestry graph as far as it was followed. Nodes come in the order in which they were reached. */
export interface Lineage {
  readonly root: string
  readonly direction: Direction
  readonly nodes: readonly LineageNode[]
  readonly edges: readonly LineageEdge[]
  /** Some node has `more`: the limit of depth or nodes was reached. */
  readonly truncated: boolean
}

export const lineageLimits = { depth: 50, nodes: 500 } as const

const maxInputDepth = 6
const maxInputs = 100

/** The digests that a provenance names under a key `input` or `inputs`, at any depth: what its steps were given. */
export function inputDigests(provenance: unknown): readonly Digest[] {
  const found = new Set<Digest>()
  const visit = (value: unknown, isInput: boolean, depth: number): void => {
    if (found.size >= maxInputs || depth > maxInputDepth) return
    if (typeof value === 'string') {
      const digest = value.slice(value.indexOf('@') + 1)
      if (isInput && isDigest(digest)) found.add(digest)
    } else if (Array.isArray(value)) {
      for (const item of value) visit(item, isInput, depth + 1)
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, item] of Object.entries(value)) visit(item, isInput || isInputKey(key), depth + 1)
    }
  }
  visit(provenance, false, 0)
  return [...found]
}

const isInputKey = (key: string): boolean => key === 'input' || key === 'inputs'
