import type { LaneEntry, Snapshot } from '../../src/domain/snapshot'
import { HeldSnapshot } from '../../src/sdk/held-snapshot'
import { ServerClock } from '../../src/sdk/server-clock'

const empty: Snapshot = {
  specVersion: 1,
  environment: 'production',
  version: 'sha256:0',
  leadMs: 2_000,
  lanes: {},
  tenants: {},
  composites: {},
}
const names = ['constructor', 'toString', '__proto__']
const tenantEntry = { seq: 1, at: 1, state: { ring: 'general' as const, tasks: {} } }

describe('the held snapshot', () => {
  it.each(names)('takes a task named %s like any other', (task) => {
    const held = new HeldSnapshot(new ServerClock(Date.now))
    held.replace(empty)
    held.replace({ ...empty, version: 'sha256:1', lanes: Object.fromEntries([[task, { task, entries: [] }]]) })
    expect(held.version).toBe('sha256:1')
  })

  it.each(names)('knows that a snapshot without the tenant %s is older', (tenant) => {
    const held = new HeldSnapshot(new ServerClock(Date.now))
    held.replace({ ...empty, tenants: Object.fromEntries([[tenant, [tenantEntry]]]) })
    expect(held.standingOf(empty)).toBe('older')
  })

  const entry = (seq: number, more: Partial<LaneEntry> = {}): LaneEntry => ({
    ...{ seq, at: seq * 1_000, salt: `salt-${seq}`, exposure: [] },
    ...more,
  })
  const laneOf = (...entries: LaneEntry[]): Snapshot => ({
    ...{ ...empty, version: JSON.stringify(entries) },
    lanes: { csat: { task: 'csat', entries } },
  })

  it.each([
    ['follows', 'a longer ledger', [entry(1), entry(2), entry(3)]],
    ['follows', 'the same, of which older entries left the horizon', [entry(2)]],
    ['follows', 'the same, of which is told more', [entry(1), entry(2, { outputs: [] })]],
    ['follows', 'one that has no entry in common any more', [entry(4), entry(5)]],
    ['older', 'a shorter ledger', [entry(1)]],
    ['older', 'no ledger', []],
    ['another', 'another moment at the same seq', [entry(1, { at: 1_001 })]],
    ['another', 'another salt at the same seq', [entry(1), entry(2, { salt: 'x' }), entry(3)]],
    ['another', 'another incumbent at the same seq', [entry(1), entry(2, { incumbent: 'sha256:x' })]],
  ] as const)('says %s of %s', (standing, _, entries) => {
    const held = new HeldSnapshot(new ServerClock(Date.now))
    held.replace(laneOf(entry(1), entry(2)))
    expect(held.standingOf(laneOf(...entries))).toBe(standing)
  })

  it('knows another ledger by one lane though a second one is shorter, and by a tenant', () => {
    const held = new HeldSnapshot(new ServerClock(Date.now))
    const of = (at: number, entries: LaneEntry[]): Snapshot => ({
      ...{ ...laneOf(...entries), tenants: { acme: [{ ...tenantEntry, at }] } },
    })
    held.replace(of(1, [entry(1), entry(2)]))
    expect(held.standingOf(of(1, [entry(1)]))).toBe('older')
    expect(held.standingOf(of(2, [entry(1)]))).toBe('another')
  })

  it('takes another ledger like a first one: nothing of it was heard of late', () => {
    const held = new HeldSnapshot(new ServerClock(Date.now))
    held.replace(laneOf(entry(1)))
    expect(held.replace(laneOf(entry(1), entry(2)))).toHaveLength(1)
    expect(held.inGap('csat', 3_000)).toBe(true)
    expect(held.replace(laneOf(entry(1), entry(2, { salt: 'x' }), entry(3)))).toEqual([])
    expect(held.inGap('csat', 3_000)).toBe(false)
  })
})
