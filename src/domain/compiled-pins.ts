import { PinTable } from './pin-table'
import type { CompiledStanding, LookUp, Revocations } from './revocation'
import type { TenantTask } from './tenant'
import type { Digest } from './version'

/** A tenant's say on one task. `reason` present: the composite is fixed, whatever the lane does. */
export interface CompiledPin extends CompiledStanding {
  readonly runs: boolean | undefined
  readonly reason: 'override' | 'opt_out' | undefined
}

/** What a pin is made from, again whenever its lane changes. */
interface PinSource {
  readonly runs: boolean | undefined
  readonly reason: CompiledPin['reason']
  readonly composite: Digest | undefined
  /** The lane's head when it was written. */
  readonly head: number
}

/** Where a pin of a task belongs. */
export interface PinnedLane {
  readonly index: number
  readonly revoked: Revocations
}

type Lanes = (task: string) => PinnedLane | undefined

/** What tenants say on tasks: most of them say the same few things, which are kept once. */
export class CompiledPins {
  table = new PinTable(0)
  readonly list: CompiledPin[] = []
  private readonly places = new Map<string, number>()
  private readonly sources: PinSource[] = []
  private readonly sourcePlaces = new Map<string, number>()
  private readonly environment: string
  private rows = 0

  /** `pairs`: how many (tenant entry, task) pairs are expected. */
  constructor(environment: string, pairs: number) {
    this.environment = environment
    this.table = new PinTable(pairs)
  }

  /** Rows and sources that were ever added; those that nothing refers to any more are still among them. */
  get size(): number {
    return this.rows + this.sources.length
  }

  /** The row of this state of a tenant; -1: it says nothing. What it says on tasks without a lane is never asked for. */
  add(tasks: Readonly<Record<string, TenantTask>>, lanes: Lanes, lookUp: LookUp): number {
    const row = this.rows
    let added = 0
    for (const [task, settings] of Object.entries(tasks)) {
      const lane = lanes(task)
      if (lane === undefined) continue
      const source = this.sourceOf(settings)
      if (this.table.room === 0) this.table = this.table.grown(2 * (this.rows + added) + leastRoom)
      this.table.set(row, lane.index, this.placeOf(source, lane.revoked, lookUp), source)
      added++
    }
    if (added === 0) return -1
    this.rows++
    return row
  }

  /**
   * After lanes or composites changed: where the pins of these lanes stand now. `isConcerned`: whether the pinned composite
   * may stand elsewhere than before, which of most is known at once.
   */
  renew(
    lanes: ReadonlyMap<number, PinnedLane>,
    isConcerned: (lane: number, composite: Digest) => boolean,
    lookUp: LookUp,
  ): void {
    const known = new Map<number, number | undefined>()
    this.table.renew((index, source) => {
      const lane = lanes.get(index)
      const composite = this.sources[source]?.composite
      if (lane === undefined || composite === undefined) return undefined
      const name = index * this.sources.length + source
      const place = known.get(name)
      if (place !== undefined || known.has(name)) return place
      const renewed = isConcerned(index, composite) ? this.placeOf(source, lane.revoked, lookUp) : undefined
      known.set(name, renewed)
      return renewed
    })
  }

  private sourceOf(settings: TenantTask): number {
    const override = settings.override?.pins[this.environment]
    const pin = override ?? settings.optOut?.[this.environment]
    const reason = pin === undefined ? undefined : override === undefined ? 'opt_out' : 'override'
    const source: PinSource = { runs: settings.runs, reason, composite: pin?.composite, head: pin?.head ?? 0 }
    const name = `${source.runs} ${reason} ${source.head} ${source.composite}`
    return placeIn(this.sourcePlaces, this.sources, name, () => source)
  }

  private placeOf(index: number, revoked: Revocations, lookUp: LookUp): number {
    const { runs, reason, composite, head } = this.sources[index] as PinSource
    const standing = revoked.standing(head, composite)
    const served = lookUp(standing.composite)
    const name = `${runs} ${reason} ${standing.moved} ${served?.id}`
    return placeIn(this.places, this.list, name, () => ({ runs, reason, composite: served, moved: standing.moved }))
  }
}

const leastRoom = 64

function placeIn<T>(places: Map<string, number>, list: T[], name: string, make: () => T): number {
  const known = places.get(name)
  if (known !== undefined) return known
  places.set(name, list.length)
  return list.push(make()) - 1
}
