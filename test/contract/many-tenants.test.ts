import { EvidenceReader, maxCountedTenants } from '../../src/store/evidence-reader'
import type { Store } from '../../src/store/store'
import { testStore } from '../support/ground'

const question = { environment: 'production', task: 'csat', releaseId: 'release-1' }
const minimumEvents = 5
const tenants = maxCountedTenants + 500

let store: Store
let drop: () => Promise<void>
beforeAll(async () => {
  const made = await testStore()
  store = made.store
  drop = made.drop
})
afterAll(() => drop())

it('counts tenants one by one as long as it may, and beyond never too few of them', async () => {
  const records = store.database.collection<{ _id: string }>('tenantRecords')
  const rows = Array.from({ length: tenants }, (_, index) => {
    const events = index < 300 ? minimumEvents : minimumEvents - 1
    return { ...{ _id: `tenant-${index}`, ...question }, tenant: `tenant-${index}`, events }
  })
  await records.insertMany(rows)
  const reader = new EvidenceReader(store.database)
  expect((await reader.tenants(question, minimumEvents)).eligible).toBe(300)
  await records.updateMany({}, { $set: { events: minimumEvents } })
  expect((await reader.tenants(question, minimumEvents)).eligible).toBeGreaterThanOrEqual(tenants)
})
