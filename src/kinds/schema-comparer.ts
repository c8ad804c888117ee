import type { Sides } from './schema-equal'
import type { SchemaNode } from './schema-graph'
import type { SchemaRuleName } from './schema-rules'

/** What a comparison offers to the keywords: telling a change, and going on with parts of the two schemas. */
export interface Comparer {
  readonly sides: Sides
  /** The values are given to us, not read from us: the two schemas stand the other way round. */
  readonly given: boolean
  /** Tells a change at a JSON pointer. */
  note(path: string, values: readonly [unknown, unknown], rule: SchemaRuleName | 'input_added'): void
  /** Tells how two nodes differ. */
  compare(path: string, before: unknown, after: unknown): void
  /** Whether it is proved that all that fits `after` fits `before`; tells nothing. */
  proves(before: unknown, after: unknown): boolean
  /** Whether what `tell` tells breaks. */
  breaks(tell: () => void): boolean
}

/** Two places that are compared: one conjunct of the old schema, one of the new, and the new node as a whole. */
export interface Place {
  readonly path: string
  readonly old: SchemaNode
  readonly now: SchemaNode
  readonly after: unknown
}
