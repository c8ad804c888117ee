import type { BreakerPolicy } from '../../src/domain/policy'
import type { Digest } from '../../src/domain/version'
import type { SourceSeriesDocument } from '../../src/store/evidence-changes'
import { EvidenceReader } from '../../src/store/evidence-reader'
import type { Store } from '../../src/store/store'
import { testStore } from '../support/ground'

const candidate: Digest = `sha256:${'1'.repeat(64)}`
const lane = { environment: 'production', task: 'csat' }
const keys = 40
const processes = 40_000

let store: Store
let drop: () => Promise<void>
beforeAll(async () => {
  const made = await testStore()
  store = made.store
  drop = made.drop
})
afterAll(() => drop())

it('tells API keys apart in the windows of breakers, however many processes one of them names', async () => {
  const at = new Date(await store.database.now())
  const rows = Array.from({ length: processes + keys }, (_, index): SourceSeriesDocument => {
    const source = index < processes ? `reporter/process-${index}` : `key/app-${index - processes}`
    const counts = { requests: 100, errors: 7, schemaFailures: 0 }
    return { _id: source, ...lane, composite: candidate, at, source, ...counts }
  })
  await store.database.collection<SourceSeriesDocument>('sourceSeries').insertMany(rows)
  const breaker = { kind: 'errors', windowMs: 600_000, events: ['error'] } as unknown as BreakerPolicy
  const question = { ...lane, candidate, seqs: [1], breakers: [breaker] }
  const shares = (await new EvidenceReader(store.database).sources(question)).filter(({ kind }) => kind === 'key')
  const told = shares.filter(({ name }) => name.startsWith('app-'))
  expect(told).toHaveLength(16)
  const others = shares.find(({ name }) => name.includes('others'))
  expect(others?.name).toContain(`${keys - told.length} others`)
})
