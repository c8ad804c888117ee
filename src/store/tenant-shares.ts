import type { Allocation, Slice } from '../domain/allocation'
import type { Database } from './database'

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
  private readonly known = new Map<string, number>()
  private readonly database: Database

  constructor(database: Database) {
    this.database = database
  }

  /** The highest share in basis points that earlier entries of the same draw gave to the tenants of the slice. */
  async earlier(entry: Allocation, slice: number): Promise<number> {
    const target = entry.exposure[slice]
    if (target?.by !== 'tenant') return 0
    const { environment, task, seq } = entry
    const id = `${environment}/${task}/${seq}/${slice}`
    const known = this.known.get(id)
    if (known !== undefined) return known
    const share = await this.asked(entry, target)
    if (this.known.size >= maxCached) this.known.clear()
    this.known.set(id, share)
    return share
  }

  private async asked({ environment, task, salt, seq }: Allocation, slice: Slice): Promise<number> {
    const target = JSON.stringify(slice.to)
    const earlier = await this.database
      .collection<Allocation>('allocations')
      .find({ environment, task, seq: { $lt: seq }, salt })
      .sort({ seq: -1 })
      .limit(maxEntries)
      .toArray()
    const shares = earlier.flatMap(({ exposure }) =>
      exposure.filter((other) => other.by === 'tenant' && JSON.stringify(other.to) === target),
    )
    return Math.max(0, ...shares.map(({ basisPoints }) => basisPoints))
  }
}
