import type { EvidenceKey, Verdict } from '../../../src/domain/evaluation'
import type { Digest } from '../../../src/domain/version'
import { digestOf } from '../../../src/store/canonical'
import type { Store } from '../../../src/store/store'
import { testStore } from '../../support/ground'
import { armReport } from '../../support/outcome-reports'

let store: Store
let drop: () => Promise<void>
beforeAll(async () => {
  const ground = await testStore()
  store = ground.store
  drop = ground.drop
})
afterAll(() => drop())

const digest = (name: string): Digest => digestOf({ name })
let count = 0
function record(key: EvidenceKey, verdict: Verdict['verdict'], evaluationId = `e-${++count}`): Promise<Verdict> {
  const suite = { scorers: ['s'], primary: 's' }
  const report = {
    suite: key.suite,
    primary: 's',
    cases: 0,
    groups: 0,
    repeats: 1,
    candidate: armReport(key.candidate, [], suite),
    checks: [],
    paid: { calls: 0, results: 0, costUsd: 0, lostCalls: 0 },
  }
  return store.evidence.record({ ...key, verdict, reasons: [], shifting: false, report, evaluationId })
}

const key = (name: string): EvidenceKey => ({
  candidate: digest(`${name}-candidate`),
  incumbent: digest(`${name}-incumbent`),
  suite: digest('suite'),
  policy: digest('policy'),
})

describe('evidence', () => {
  it('passes for exactly what it was recorded for', async () => {
    const exact = key('exact')
    await record(exact, 'pass')
    expect(await store.evidence.passing(exact)).toBe(true)
    const { incumbent: _none, ...absolute } = exact
    const others: EvidenceKey[] = [
      absolute,
      { ...exact, candidate: digest('other') },
      { ...exact, incumbent: digest('other') },
      { ...exact, suite: digest('other') },
      { ...exact, policy: digest('other') },
    ]
    for (const other of others) expect(await store.evidence.passing(other)).toBe(false)
  })

  it.each(['fail', 'no_evidence'] as const)('does not pass on %s', async (verdict) => {
    const one = key(verdict)
    await record(one, verdict)
    expect(await store.evidence.passing(one)).toBe(false)
    expect(await store.evidence.verdict(one)).toMatchObject({ verdict })
  })

  it('has the newest verdict in force, and keeps the others', async () => {
    const one = key('newest')
    const first = await record(one, 'pass')
    const second = await record(one, 'fail')
    expect(await store.evidence.passing(one)).toBe(false)
    expect(await store.evidence.verdict(one)).toEqual(second)
    expect((await store.evidence.verdicts({ candidate: one.candidate })).map(({ id }) => id)).toEqual([
      second.id,
      first.id,
    ])
    expect(await store.evidence.verdicts({ candidate: one.candidate, after: second.id })).toEqual([first])
    expect(await store.evidence.verdicts({ suite: one.suite, limit: 1 })).toEqual([second])
  })

  it('records an evaluation once, however often it is told', async () => {
    const one = key('once')
    const first = await record(one, 'pass', 'the-same')
    expect(await record(one, 'fail', 'the-same')).toEqual(first)
    expect(await store.evidence.passing(one)).toBe(true)
    const [left, right] = await Promise.all([record(one, 'pass', 'raced'), record(one, 'pass', 'raced')])
    expect(left).toEqual(right)
  })

  it('answers within a transaction as of its snapshot', async () => {
    const one = key('transaction')
    await record(one, 'pass')
    const seen = await store.database.transact((session) => store.evidence.passing(one, session))
    expect(seen).toBe(true)
  })

  it('reads by indexes only', async () => {
    const { db } = store.database
    const plans = [
      db.collection('eval_results').find({ composite: digest('a'), suite: digest('b') }),
      db.collection('eval_results').find({ 'result.evaluationId': 'e' }),
      db
        .collection('verdicts')
        .find({ candidate: digest('a') })
        .sort({ _id: -1 }),
      db
        .collection('verdicts')
        .find({ suite: digest('a') })
        .sort({ _id: -1 }),
      db.collection('verdicts').find({ evaluationId: 'e' }),
    ]
    for (const plan of plans) {
      const text = JSON.stringify((await plan.explain('queryPlanner')).queryPlanner.winningPlan)
      expect(text).toContain('IXSCAN')
      expect(text).not.toMatch(/COLLSCAN|"SORT"/)
    }
  })
})
