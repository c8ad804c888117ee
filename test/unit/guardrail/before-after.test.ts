import { assess } from '../../../src/domain/analysis'
import { type BeforeAfterLook, dueLook, firstLookMs, maxBeforeAfterLooks } from '../../../src/domain/before-after'
import { judgeBeforeAfter } from '../../../src/domain/before-after-guardrail'
import { policyKind } from '../../../src/kinds/policy'
import { addPair, emptyPairs, type PairedMoments } from '../../../src/stats/paired-difference'
import { inputOf, policyWith } from '../../support/assessment'

const rule = { metric: 'error_rate', role: 'notify', margin: 0.25, minimumTenants: 10 } as const
const policy = policyWith({ beforeAfter: rule })

/** Tenants of one rate before and another after, a little apart from one another. */
const tenants = (count: number, before: number, after: number): PairedMoments =>
  Array.from({ length: count }, (_, index) => (index % 5) / 500).reduce(
    (pairs, apart) => addPair(pairs, before + apart, after + 2 * apart),
    emptyPairs,
  )
const lookAt = (look: number, after: number, count = 20): BeforeAfterLook => ({
  look,
  exposed: tenants(count, 0.02, after),
  control: tenants(count, 0.03, 0.05),
})
const cutLook: BeforeAfterLook = { look: 0, exposed: emptyPairs, control: emptyPairs, cut: true }
const verdictOf = (looks?: readonly BeforeAfterLook[]) => {
  const asked = { policy, hasIncumbent: true, ...(looks === undefined ? {} : { beforeAfter: looks }) }
  return judgeBeforeAfter(asked)[0]?.verdict
}

describe('tenants that have the candidate alone', () => {
  it('are worse where they changed by more than the others and the margin', () => {
    const verdict = verdictOf([lookAt(0, 0.2)])
    expect(verdict).toMatchObject({
      name: 'before_after',
      verdict: 'fail',
      reason: 'worse_than_before',
      role: 'notify',
    })
    expect(verdict?.text).toContain('20 exposed tenants')
  })

  it('are as well as before where all changed alike', () => {
    expect(verdictOf([lookAt(0, 0.04)])).toMatchObject({ verdict: 'pass', reason: 'within_limit' })
  })

  it('stay worse once a look has said so', () => {
    expect(verdictOf([lookAt(0, 0.2), lookAt(3, 0.04)])).toMatchObject({ verdict: 'fail' })
  })

  it.each([
    {
      what: 'too few of them',
      looks: [lookAt(0, 0.2, 9)],
      reason: 'below_minimum_sample',
      says: '10 of each are needed',
    },
    { what: 'no look yet', looks: [], reason: 'no_traffic', says: '15 min' },
    { what: 'a count that took too long', looks: [cutLook], reason: 'below_minimum_sample', says: 'too many to count' },
  ])('are not judged with $what', ({ looks, reason, says }) => {
    expect(verdictOf(looks)).toMatchObject({ verdict: 'no_evidence', reason, text: expect.stringContaining(says) })
  })

  it('are none where everyone exposed has a control, or nothing was served before', () => {
    expect(verdictOf()).toMatchObject({ verdict: 'not_applicable', reason: 'no_control' })
    const [first] = judgeBeforeAfter({ policy, hasIncumbent: false, beforeAfter: [lookAt(0, 0.2)] })
    expect(first?.verdict).toMatchObject({ verdict: 'not_applicable', reason: 'no_incumbent' })
  })

  it('change nothing that the release does', () => {
    const quiet = inputOf([], { policy: policyWith({}) })
    const loud = { ...quiet, policy, beforeAfter: [lookAt(0, 0.5)] }
    const [without, found] = [assess(quiet), assess(loud)]
    expect(found.verdicts.at(-1)).toMatchObject({ name: 'before_after', verdict: 'fail' })
    expect({ ...found, verdicts: found.verdicts.slice(0, -1) }).toEqual(without)
  })
})

describe('the schema of a policy', () => {
  const parse = (change: object) => policyKind.schema.safeParse({ beforeAfter: change })

  it('fills the defaults', () => {
    expect(parse({ metric: 'error_rate' }).data?.beforeAfter).toEqual(rule)
  })

  it.each([{ role: 'pause' }, { role: 'rollback' }, { minimumTenants: 4 }, { margin: -1 }, { metric: 'latency_mean' }])(
    'refuses %j',
    (change) => expect(parse(change).success).toBe(false),
  )
})

describe('the looks', () => {
  it('are due at doubled times and end', () => {
    expect(dueLook(firstLookMs - 1)).toBeUndefined()
    expect([1, 1.9, 2, 4, 1e9].map((times) => dueLook(times * firstLookMs))).toEqual([
      0,
      0,
      1,
      2,
      maxBeforeAfterLooks - 1,
    ])
  })
})
