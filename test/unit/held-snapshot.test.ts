import type { Snapshot } from '../../src/domain/snapshot'
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
    expect(held.isNewerThan(empty)).toBe(true)
  })
})
