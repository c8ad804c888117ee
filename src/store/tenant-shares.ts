import type { Allocation, Slice } from '../domain/allocation'
import { isFlag } from '../domain/lane'
import type { Database } from './database'
import type { TenantDraw } from './tenant-changes'

/** Entries of one draw that are looked through. */
const maxEntries = 1_000
const maxCached = 5_000

/**
 * The candidate's share among tenants that no earlier step exposed: exposure is nested, so a tenant of an earlier step
 * recurs in each later one and would be counted again. Both in basis points; undefined where nothing new is compared.
 */
export function shareAmongNew(basisPoints: number, earlier: number): number | undefined {
  if (basisPoints <= earlier || basisPoints >= 10_000) return undefined
  return (basisPoints - earlier) / (10_000 - earlier)
}

/** Which tenants earlier steps exposed. What lies before an entry never changes, so an answer holds for ever. */
export class TenantShares {
  private readonly known = new Map<string, TenantDraw>()
  private readonly database: Database

  constructor(database: Database) {
    this.database = database
  }

  /** How the tenants of the slice were drawn; undefined where it is exposed by conversation. */
  async drawOf(entry: Allocation, slice: number): Promise<TenantDraw | undefined> {
    const target = entry.exposure[slice]
    if (target?.by !== 'tenant') return undefined
    const { environment, task, seq } = entry
    const id = `${environment}/${task}/${seq}/${slice}`
    const known = this.known.get(id)
    if (known !== undefined) return known
    const draw = await this.asked(entry, target)
    if (this.known.size >= maxCached) this.known.clear()
    this.known.set(id, draw)
    return draw
  }

  /** `earlier`: the highest share in basis points that earlier entries of the same draw gave to the tenants of the slice. */
  private async asked({ environment, task, salt, seq, cause }: Allocation, slice: Slice): Promise<TenantDraw> {
    const target = JSON.stringify(slice.to)
    const before = await this.database
      .collection<Allocation>('allocations')
      .find({ environment, task, seq: { $lt: seq }, salt })
      .sort({ seq: -1 })
      .limit(maxEntries)
      .toArray()
    const step = isFlag(cause) ? (before.find((entry) => !isFlag(entry.cause))?.seq ?? seq) : seq
    const shares = before.flatMap((entry) =>
      entry.seq < step
        ? entry.exposure.filter((other) => other.by === 'tenant' && JSON.stringify(other.to) === target)
        : [],
    )
    return { salt, seq: step, earlier: Math.max(0, ...shares.map(({ basisPoints }) => basisPoints)) }
  }
}
