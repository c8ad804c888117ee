import type { Allocation } from '../domain/allocation'
import type { StratumKey } from '../domain/telemetry'
import type { Digest } from '../domain/version'
import type { Database } from './database'

/** Ledger entries and composites never change, so what was found once holds for ever. */
const maxCached = 5_000

/** Whether a stratum can have been issued by the resolver: telemetry of anything else is refused. */
export class Issued {
  private readonly entries = new Map<string, Allocation>()
  private readonly composites = new Set<string>()
  private readonly database: Database

  constructor(database: Database) {
    this.database = database
  }

  /** The entry that the stratum belongs to, or what is wrong with the claim. */
  async entryOf(key: StratumKey): Promise<Allocation | string> {
    const entry = await this.entry(`${key.environment}/${key.task}/${key.seq}`)
    if (entry === undefined) return `the lane ${key.environment}/${key.task} has no entry ${key.seq}`
    if (key.arm === 'none') {
      if (key.slice !== -1) return 'without an arm no slice was matched'
      return (await this.knows(key.composite)) ? entry : 'the composite is not registered'
    }
    const slice = entry.exposure[key.slice]
    if (slice === undefined) return `entry ${key.seq} has no slice ${key.slice}`
    if (slice.basisPoints === (key.arm === 'candidate' ? 0 : 10_000)) {
      return `slice ${key.slice} of entry ${key.seq} gives nothing to the ${key.arm}`
    }
    return entry[key.arm] === key.composite ? entry : `entry ${key.seq} names another ${key.arm}`
  }

  private async entry(id: string): Promise<Allocation | undefined> {
    const cached = this.entries.get(id)
    if (cached) return cached
    const found = await this.database.collection<Allocation & { _id: string }>('allocations').findOne({ _id: id })
    if (!found) return undefined
    if (this.entries.size >= maxCached) this.entries.clear()
    this.entries.set(id, found)
    return found
  }

  private async knows(id: Digest): Promise<boolean> {
    if (this.composites.has(id)) return true
    const composites = this.database.collection<{ _id: string }>('composites')
    if ((await composites.findOne({ _id: id }, { projection: { _id: 1 } })) === null) return false
    if (this.composites.size >= maxCached) this.composites.clear()
    this.composites.add(id)
    return true
  }
}
