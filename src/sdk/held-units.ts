import type { StratumKey, UnitReport } from '../domain/telemetry'
import type { Serving } from './serving'
import type { Listed } from './usage-list'

export type Stratum = Omit<StratumKey, 'environment'>

/** What a process has to tell of one conversation in one stratum. */
export interface HeldUnit extends Listed {
  readonly stratum: Stratum
  readonly conversation: string
  readonly startedAt: number | undefined
  /** Its `unit` is hashed when it is first sent, and not while a request waits. */
  readonly report: { -readonly [K in keyof UnitReport]: UnitReport[K] }
  touchedAt: number
  /** The same conversation in another stratum; `HeldUnits` alone sets it. */
  sibling: HeldUnit | undefined
}

/**
 * Units found by what serves them. One text of all their parts would be made and hashed with every request, which takes
 * longer than all else that a report does; tenants and conversations are looked up as they are.
 */
export class HeldUnits {
  private readonly tenants = new Map<string, Map<string, HeldUnit>>()
  private count = 0

  get size(): number {
    return this.count
  }

  find({ task, tenant, conversation, seq, slice, arm, composite }: Serving): HeldUnit | undefined {
    let unit = this.tenants.get(tenant)?.get(conversation)
    while (unit !== undefined) {
      const { stratum } = unit
      const isEntry = stratum.seq === seq && stratum.slice === slice && stratum.arm === arm && stratum.task === task
      if (isEntry && stratum.composite === composite.id) return unit
      unit = unit.sibling
    }
    return undefined
  }

  /** Of a unit that `find` does not know. */
  add(unit: HeldUnit): void {
    const { tenant } = unit.report
    let conversations = this.tenants.get(tenant)
    if (conversations === undefined) {
      conversations = new Map()
      this.tenants.set(tenant, conversations)
    }
    unit.sibling = conversations.get(unit.conversation)
    conversations.set(unit.conversation, unit)
    this.count++
  }

  delete(unit: HeldUnit): void {
    const { tenant } = unit.report
    const conversations = this.tenants.get(tenant)
    const first = conversations?.get(unit.conversation)
    if (conversations === undefined || first === undefined) return
    if (first !== unit) {
      let before = first
      while (before.sibling !== undefined && before.sibling !== unit) before = before.sibling
      if (before.sibling === undefined) return
      before.sibling = unit.sibling
    } else if (unit.sibling !== undefined) conversations.set(unit.conversation, unit.sibling)
    else {
      conversations.delete(unit.conversation)
      if (conversations.size === 0) this.tenants.delete(tenant)
    }
    unit.sibling = undefined
    this.count--
  }

  *values(): Iterable<HeldUnit> {
    for (const conversations of this.tenants.values()) {
      for (const first of conversations.values()) {
        for (let unit: HeldUnit | undefined = first; unit !== undefined; unit = unit.sibling) yield unit
      }
    }
  }
}
