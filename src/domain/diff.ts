import type { Change, ChangeClass } from './version'

/** A difference with what it means for those who depend on the artifact. */
export interface ClassedChange extends Change {
  readonly class: 'safe' | 'breaking'
}

/** The class of a whole diff: the highest of its changes. */
export function classOf(changes: readonly ClassedChange[]): ChangeClass {
  if (changes.length === 0) return 'none'
  return changes.some((change) => change.class === 'breaking') ? 'breaking' : 'safe'
}
