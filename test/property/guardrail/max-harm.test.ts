import fc from 'fast-check'
import { assess } from '../../../src/domain/analysis'
import type { TenantEvents } from '../../../src/domain/live-evidence'
import { maxHarmAlpha } from '../../../src/domain/tenant-harm'
import { wilsonInterval } from '../../../src/stats/binomial-interval'
import { randomFrom } from '../../../tools/random'
import { inputOf, policyWith, stratum } from '../../support/assessment'

const share = 0.1
const plenty = stratum({ share, candidate: { units: 1_000 }, incumbent: { units: 9_000 } })
const minimumEvents = 5

const tenant = (name: string, candidate: number, incumbent: number): TenantEvents => ({
  tenant: name,
  strata: [{ seq: 2, slice: 0, candidate: { error: candidate }, incumbent: { error: incumbent } }],
})

function verdictOf(watched: readonly TenantEvents[], eligible = 0, margin = 0) {
  const maxHarm = { role: 'pause', margin, minimumEvents } as const
  const assessment = assess({
    ...inputOf([plenty], { policy: policyWith({ maxHarm }) }),
    tenants: { watched, eligible },
  })
  return { action: assessment.action, verdict: assessment.verdicts.find(({ name }) => name === 'max_harm') }
}

describe('the rule against harm to one tenant', () => {
  it('names the tenant that is hurt while the others are well', () => {
    const well = Array.from({ length: 20 }, (_, index) => tenant(`well-${index}`, 1, 9))
    const { action, verdict } = verdictOf([...well, tenant('acme', 20, 4)])
    expect(action).toBe('pause')
    expect(verdict).toMatchObject({ verdict: 'fail', reason: 'tenant_harmed', role: 'pause' })
    expect(verdict?.text).toContain('acme (20 of 24 events on the candidate)')
    expect(verdict?.text).not.toContain('well-')
    expect(verdictOf(well).verdict).toMatchObject({ verdict: 'pass', reason: 'within_limit' })
  })

  it('wants more of it, the more tenants could be the one', () => {
    const watched = [tenant('acme', 7, 2)]
    const few = verdictOf(watched, 1).verdict
    const many = verdictOf(watched, 10_000).verdict
    expect([few?.verdict, many?.verdict]).toEqual(['fail', 'pass'])
    expect([few?.threshold, many?.threshold]).toEqual([2 / maxHarmAlpha, (10_000 * 10_001) / maxHarmAlpha])
  })

  it('looks at nobody below the minimum, and says so', () => {
    expect(verdictOf([tenant('acme', 4, 0)]).verdict).toMatchObject({ reason: 'below_minimum_sample' })
  })

  it('holds for each tenant a process whose mean never grows under its null', () => {
    const counts = fc.record({ candidate: fc.nat(60), incumbent: fc.nat(60) })
    fc.assert(
      fc.property(counts, fc.double({ min: 0, max: 2, noNaN: true }), ({ candidate, incumbent }, margin) => {
        const evidence = (b: number, a: number) =>
          verdictOf([tenant('acme', b + 3, a + 3)], 1, margin).verdict?.statistic
        const now = evidence(candidate, incumbent) ?? Number.NaN
        const theta = (share * (1 + margin)) / (1 + share * margin)
        const next =
          theta * (evidence(candidate + 1, incumbent) ?? Number.NaN) +
          (1 - theta) * (evidence(candidate, incumbent + 1) ?? Number.NaN)
        expect(next / now).toBeCloseTo(1, 8)
      }),
    )
  })

  it('cries wolf in at most its level of harmless releases, with a look after every tenth event of thirty tenants', () => {
    const releases = 200
    const alarms = Array.from({ length: releases }, (_, index) => alarmsIn(randomFrom(index + 1))).filter(
      Boolean,
    ).length
    expect(wilsonInterval(alarms, releases).lower).toBeLessThanOrEqual(maxHarmAlpha)
  })
})

/** 600 events that fall on tenants of very different sizes and, by the share alone, on arms. */
function alarmsIn({ uniform }: { readonly uniform: () => number }): boolean {
  const counts = Array.from({ length: 30 }, () => ({ candidate: 0, incumbent: 0 }))
  for (let event = 0; event < 600; event += 1) {
    const row = counts[Math.floor(30 * uniform() * uniform())]
    if (row === undefined) continue
    row[uniform() < share ? 'candidate' : 'incumbent'] += 1
    const eligible = counts.filter((one) => one.candidate + one.incumbent >= minimumEvents)
    const watched = eligible.map((one, index) => tenant(`t${index}`, one.candidate, one.incumbent))
    if (event % 10 === 9 && verdictOf(watched).verdict?.verdict === 'fail') return true
  }
  return false
}
