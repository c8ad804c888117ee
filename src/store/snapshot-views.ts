import type { Allocation } from '../domain/allocation'
import { compositesOf } from '../domain/compiled-lane'
import type { LaneEntry, LaneView, TenantView } from '../domain/snapshot'
import type { LanePin, TenantEntry } from '../domain/tenant'
import type { Digest } from '../domain/version'

/** A lane's entries within the horizon, and the rollbacks that left it: a pin of a tenant can still meet those. */
export interface LaneLedger {
  readonly entries: readonly LaneEntry[]
  readonly older: readonly LaneEntry[]
}

export const emptyLedger: LaneLedger = { entries: [], older: [] }

export function laneEntry(row: Allocation): LaneEntry {
  const { seq, at, incumbent, candidate, exposure, salt, revokes, disabled, thresholds, outputs, releaseId } = row
  return {
    seq,
    at,
    exposure,
    salt,
    ...(incumbent === undefined ? {} : { incumbent }),
    ...(candidate === undefined ? {} : { candidate }),
    ...(revokes === undefined ? {} : { revokes }),
    ...(disabled === undefined ? {} : { disabled }),
    ...(thresholds === undefined ? {} : { thresholds }),
    ...(outputs === undefined ? {} : { outputs }),
    ...(releaseId === undefined ? {} : { releaseId }),
  }
}

export const tenantView = ({ seq, at, state }: TenantEntry): TenantView => ({
  seq,
  at,
  state: { ring: state.ring, tasks: state.tasks },
})

/** How many of the oldest entries have left: those whose successor is not younger than the cutoff. */
export function leftBy(entries: readonly { readonly at: number }[], cutoff: number): number {
  let left = 0
  while ((entries[left + 1]?.at ?? Number.POSITIVE_INFINITY) <= cutoff) left++
  return left
}

/** The ledger without what left the horizon. */
export function prunedLedger({ entries, older }: LaneLedger, cutoff: number): LaneLedger {
  const left = leftBy(entries, cutoff)
  const revoking = entries.slice(0, left).filter(({ revokes }) => revokes !== undefined)
  return { entries: entries.slice(left), older: [...older, ...revoking] }
}

/**
 * The entries with those that follow. Undefined: one is missing between them. Known ones may come again.
 */
export function continued<T extends { readonly seq: number }>(
  known: readonly T[],
  more: readonly T[],
): readonly T[] | undefined {
  const entries = [...known]
  for (const entry of [...more].sort((left, right) => left.seq - right.seq)) {
    const last = entries.at(-1)
    if (last !== undefined && entry.seq <= last.seq) continue
    if (entry.seq !== (last?.seq ?? 0) + 1) return undefined
    entries.push(entry)
  }
  return entries
}

/** The pins of one tenant in this environment, by task. */
export function pinsOf(environment: string, views: readonly TenantView[]): readonly (readonly [string, LanePin])[] {
  return views.flatMap(({ state }) =>
    Object.entries(state.tasks).flatMap(([task, { override, optOut }]) =>
      [override?.pins[environment], optOut?.[environment]].flatMap((pin) =>
        pin === undefined ? [] : [[task, pin] as const],
      ),
    ),
  )
}

/** Of the rollbacks that left the view, in seq order, those that a pin on one of the composites can still be moved by. */
export function revocationsOfPins(
  pinned: ReadonlySet<Digest>,
  rollbacks: readonly LaneEntry[],
): NonNullable<LaneView['olderRevocations']> {
  const reachable = new Set(pinned)
  return rollbacks.flatMap(({ seq, incumbent, revokes = [] }) => {
    if (!revokes.some((composite) => reachable.has(composite))) return []
    if (incumbent !== undefined) reachable.add(incumbent)
    return [{ seq, revokes, ...(incumbent === undefined ? {} : { incumbent }) }]
  })
}

/** Every composite that the rows can lead to, as often as they name it. */
export const namedBy = (
  environment: string,
  lane: LaneView | undefined,
  tenant: readonly TenantView[] | undefined,
): readonly Digest[] => [
  ...(lane === undefined ? [] : compositesOf(lane)),
  ...(tenant === undefined ? [] : pinsOf(environment, tenant).map(([, { composite }]) => composite)),
]
