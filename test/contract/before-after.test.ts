import type { Plan } from '../../src/domain/plan'
import type { UnitReport } from '../../src/domain/telemetry'
import type { Digest } from '../../src/domain/version'
import { judge } from '../../src/store/assessor'
import type { ReleaseRecord } from '../../src/store/releases'
import { policyWith } from '../support/assessment'
import { batchOf, environment, type TrafficGround, task, trafficGround, unitName, unitReport } from '../support/traffic'

const pilots = Array.from({ length: 12 }, (_, index) => `pilot-${index}`)
const others = Array.from({ length: 14 }, (_, index) => `other-${index}`)
const policy = policyWith({
  beforeAfter: { metric: 'error_rate', role: 'notify', margin: 0.25, minimumTenants: 10 },
})
const perTenant = 10
const minuteMs = 60_000

let ground: TrafficGround
let incumbent: Digest
let candidate: Digest
let settledAt: number
let units = 0
let releases = 0
let releaseId: string

beforeAll(async () => {
  ground = await trafficGround()
  candidate = await ground.composite(1)
})
afterAll(() => ground.end())
beforeEach(async () => {
  incumbent = await ground.settle(0)
  settledAt = (await ground.ledger.lane(environment, task)).headSeq
  releaseId = `release-${++releases}`
})
afterEach(() => ground.rollback(releaseId))

interface Told {
  readonly seq: number
  readonly slice: number
  readonly arm: 'candidate' | 'none'
}

/** Ten conversations of each tenant, of which `failing` err, one more or less by tenant. */
async function tell(at: Told, names: readonly string[], failing: number): Promise<void> {
  const composite = at.arm === 'candidate' ? candidate : incumbent
  const reports = names.flatMap((tenant, who) =>
    Array.from({ length: perTenant }, (_, index) => {
      const failed: Partial<UnitReport> = index < failing + (who % 2) ? { errors: 1, events: ['error'] } : {}
      return unitReport({ unit: unitName(++units), tenant, ...failed })
    }),
  )
  const taken = await ground.store.telemetry.ingest(batchOf('process-of-1', { task, ...at, composite }, reports), 'app')
  expect(taken.refused).toEqual([])
}

/** The pilots have the candidate alone, since so many minutes ago. */
async function expose(minutes: number): Promise<number> {
  const exposure = [{ to: { tenants: pilots }, basisPoints: 10_000, by: 'conversation' as const }]
  const { seq, at } = await ground.step({ incumbent: 0, candidate: 1, exposure, releaseId })
  await age(seq, at - minutes * minuteMs)
  return seq
}

const age = (seq: number, at: number) =>
  ground.store.database.collection('allocations').updateOne({ environment, task, seq }, { $set: { at } })

async function look() {
  const lanes = [{ environment, baseSeq: 1, incumbent }]
  const plan = { task, candidate, policy: candidate, suite: candidate, lanes, steps: [] } as unknown as Plan
  const record = { id: releaseId, task, createdAt: await ground.store.database.now() } as unknown as ReleaseRecord
  // Entries are read once by head; here their age is changed behind the store's back.
  const { input, assessment } = await judge({ ...ground.store, ledger: ground.ledger }, { record, plan, policy })
  return { input, action: assessment.action, verdict: assessment.verdicts.find(({ name }) => name === 'before_after') }
}

it('tells of pilots who got worse than the others did, and stops nothing', async () => {
  await tell({ seq: settledAt, slice: -1, arm: 'none' }, [...pilots, ...others], 1)
  const seq = await expose(20)
  await tell({ seq, slice: 0, arm: 'candidate' }, pilots, 7)
  await tell({ seq, slice: -1, arm: 'none' }, others, 2)
  const { input, action, verdict } = await look()
  expect(input.beforeAfter).toHaveLength(1)
  expect(input.beforeAfter?.[0]).toMatchObject({ look: 0, exposed: { n: 12 }, control: { n: 14 } })
  expect(input.beforeAfter?.[0]?.exposed.sumA).toBeCloseTo(12 * 0.15, 9)
  expect(input.beforeAfter?.[0]?.exposed.sumB).toBeCloseTo(12 * 0.75, 9)
  expect(input.beforeAfter?.[0]?.control.sumB).toBeCloseTo(14 * 0.25, 9)
  expect(verdict).toMatchObject({ verdict: 'fail', reason: 'worse_than_before', role: 'notify' })
  expect(action).toBe('continue')
})

it('keeps a look as it was, whatever is told after it, and takes it once', async () => {
  await tell({ seq: settledAt, slice: -1, arm: 'none' }, [...pilots, ...others], 1)
  const seq = await expose(20)
  await tell({ seq, slice: 0, arm: 'candidate' }, pilots, 1)
  await tell({ seq, slice: -1, arm: 'none' }, others, 1)
  const [one, two] = await Promise.all([look(), look()])
  expect(one.verdict).toMatchObject({ verdict: 'pass', reason: 'within_limit' })
  expect(two.input.beforeAfter).toEqual(one.input.beforeAfter)
  await tell({ seq, slice: 0, arm: 'candidate' }, pilots, 9)
  expect((await look()).input.beforeAfter).toEqual(one.input.beforeAfter)
})

it('leaves out who has both composites, and who is new', async () => {
  await tell({ seq: settledAt, slice: -1, arm: 'none' }, [...pilots, ...others], 1)
  const seq = await expose(20)
  await tell({ seq, slice: 0, arm: 'candidate' }, [...pilots, 'newcomer', 'other-0'], 1)
  await tell({ seq, slice: -1, arm: 'none' }, [...others, 'pilot-0'], 1)
  const { input } = await look()
  expect(input.beforeAfter?.[0]).toMatchObject({ exposed: { n: 11 }, control: { n: 13 } })
})

it('waits for the first look, and has none where everyone exposed has a control', async () => {
  await expose(5)
  expect((await look()).verdict).toMatchObject({ verdict: 'no_evidence', reason: 'no_traffic' })
  await ground.rollback(releaseId)
  releaseId = `${releaseId}-half`
  await ground.step({ incumbent: 0, candidate: 1, releaseId })
  expect((await look()).verdict).toMatchObject({ verdict: 'not_applicable', reason: 'no_control' })
})
