import type { ServedComposite } from './composite'
import type { LaneEntry } from './snapshot'
import type { Digest } from './version'

export type RevokingEntry = Pick<LaneEntry, 'seq' | 'incumbent' | 'revokes'>

/** Where a composite ends up after revocations: itself, the incumbent it was replaced by, or nothing. */
export interface Standing {
  readonly composite: Digest | undefined
  readonly moved: boolean
}

/** A composite after rule 5, looked up; `composite` absent: nothing serves. */
export interface CompiledStanding {
  readonly composite: ServedComposite | undefined
  readonly moved: boolean
}

/** The composite of the snapshot; undefined: it has none of this id. */
export type LookUp = (id: Digest | undefined) => ServedComposite | undefined

/**
 * Rule 5 over the entries of one lane: from the entry *after* `boundSeq`, the first one that revokes the composite
 * replaces it by its incumbent, and the same test goes on from there. Entries are in seq order; O(revocations).
 */
export class Revocations {
  /** Composite → the entries that revoke it, in seq order. */
  private readonly byComposite = new Map<Digest, RevokingEntry[]>()

  constructor(entries: readonly RevokingEntry[]) {
    for (const entry of entries) {
      for (const composite of entry.revokes ?? []) {
        const list = this.byComposite.get(composite)
        if (list) list.push(entry)
        else this.byComposite.set(composite, [entry])
      }
    }
  }

  /** Whether any of the entries revokes the composite. */
  has(composite: Digest): boolean {
    return this.byComposite.has(composite)
  }

  /** Terminates: every move goes to a strictly later entry. */
  standing(boundSeq: number, composite: Digest | undefined): Standing {
    let current = composite
    let seq = boundSeq
    let moved = false
    while (current !== undefined) {
      const from = seq
      const revoking: RevokingEntry | undefined = this.byComposite.get(current)?.find((entry) => entry.seq > from)
      if (revoking === undefined) break
      moved = true
      current = revoking.incumbent
      seq = revoking.seq
    }
    return { composite: current, moved }
  }
}
