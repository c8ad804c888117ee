import type { Digest } from './version'

/** Rows that differ are listed up to this many; their counts are exact beyond it. */
export const maxListedChanges = 100_000

export interface DatasetRow {
  readonly digest: Digest
  readonly row: unknown
}

/** A difference of two datasets: a row more, a row less, or the two rows that have the same `id`. */
export type RowChange =
  | ({ readonly change: 'added' } & DatasetRow)
  | ({ readonly change: 'removed' } & DatasetRow)
  | { readonly change: 'changed'; readonly id: unknown; readonly before: DatasetRow; readonly after: DatasetRow }

/** Every row of the earlier dataset is unchanged, changed or removed; every row of the later one unchanged, changed or added. */
export interface RowCounts {
  readonly added: number
  readonly removed: number
  readonly changed: number
  readonly unchanged: number
}

/** A page of what differs between two datasets: the changed rows first, then the removed ones, then the added ones. */
export interface RowDifference {
  readonly from: Digest
  readonly to: Digest
  readonly counts: RowCounts
  /** False: more than `maxListedChanges` rows differ. None is counted as changed then, and the list ends there. */
  readonly isWhole: boolean
  readonly items: readonly RowChange[]
  /** Place at which the next page begins; absent on the last one. */
  readonly next?: number
}
