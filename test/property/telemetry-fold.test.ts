import fc from 'fast-check'
import type { EventName, UnitReport } from '../../src/domain/telemetry'
import {
  armStatsOf,
  contributionOf,
  maxReportersPerUnit,
  mergeUnit,
  sealUnit,
  sourceDeltas,
  sourcesOf,
  sumContributions,
  sumTotals,
  type Totals,
  type UnitContribution,
  type UnitState,
} from '../../src/domain/telemetry-fold'
import { runs } from '../support/effort'

interface Delivery {
  readonly reporter: string
  readonly report: UnitReport
}

const tick = fc.record({
  failed: fc.constantFrom<'ok' | 'error' | 'schema_failure'>('ok', 'error', 'schema_failure'),
  costUsd: fc.integer({ min: 0, max: 9_999 }).map((nano) => nano / 1e6),
  latencyMs: fc.integer({ min: 0, max: 90_000 }),
})

/** What one reporter sends of one part: each revision carries the sum of all before. */
const part = fc.record({
  ticks: fc.array(tick, { minLength: 1, maxLength: 4 }),
  closed: fc.boolean(),
  gap: fc.oneof({ arbitrary: fc.constant(false), weight: 4 }, { arbitrary: fc.constant(true), weight: 1 }),
})

function reportsOf(parts: readonly (typeof part extends fc.Arbitrary<infer P> ? P : never)[]): UnitReport[][] {
  return parts.map(({ ticks, closed, gap }, number) => {
    const reports: UnitReport[] = []
    let sum = { requests: 0, errors: 0, schemaFailures: 0, costUsd: 0, latencyMs: 0 }
    const events: EventName[] = []
    for (const [index, { failed, costUsd, latencyMs }] of ticks.entries()) {
      sum = {
        requests: sum.requests + 1,
        errors: sum.errors + (failed === 'error' ? 1 : 0),
        schemaFailures: sum.schemaFailures + (failed === 'schema_failure' ? 1 : 0),
        costUsd: sum.costUsd + costUsd,
        latencyMs: sum.latencyMs + latencyMs,
      }
      if (failed !== 'ok' && !events.includes(failed)) events.push(failed)
      reports.push({
        unit: 'u',
        tenant: 't',
        part: number,
        revision: index + 1,
        ...sum,
        uncachedCostUsd: sum.costUsd,
        inputTokens: 10 * sum.requests,
        cachedTokens: 0,
        outputTokens: sum.requests,
        events: [...events],
        closed: closed && index === ticks.length - 1,
        gap,
      })
    }
    return reports
  })
}

const reporterParts = fc.array(fc.array(part, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 })

/**
 * Any order, with repetitions, that the protocol allows: a later part exists only once the last report of the earlier
 * one was delivered.
 */
function deliveriesOf(parts: readonly UnitReport[][][], random: () => number): Delivery[] {
  const queues = parts.map((ofReporter, index) =>
    ofReporter.flatMap((reports, number) => {
      const earlier = ofReporter.slice(0, number).flat()
      const repeated = [...reports, ...reports.filter(() => random() < 0.3), ...earlier.filter(() => random() < 0.2)]
      return shuffled(repeated, random).map((report) => ({ reporter: `reporter-${index}`, report }))
    }),
  )
  const order = shuffled(
    queues.flatMap((queue, index) => queue.map(() => index)),
    random,
  )
  return order.map((index) => queues[index]?.shift() as Delivery)
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((left, right) => left.at - right.at)
    .map(({ item }) => item)
}

function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

function expectSame(left: Totals, right: Totals): void {
  for (const name of new Set([...Object.keys(left), ...Object.keys(right)]) as Set<keyof Totals>) {
    const [one, other] = [left[name] ?? 0, right[name] ?? 0]
    // Sums of squares round: as far as a double can hold the larger of them.
    const size = Math.max(1, Math.abs(one), Math.abs(other))
    if (name.startsWith('closed_')) expect(one / size).toBeCloseTo(other / size, 9)
    else expect([name, one]).toEqual([name, other])
  }
}

const none: UnitContribution = { tested: {}, gap: {}, pictures: {} }

describe('the fold of reports into units', () => {
  it('gives the same unit in any order and with repetitions, and its deltas sum to a recount', () => {
    fc.assert(
      fc.property(reporterParts, fc.integer(), fc.integer(), (generated, seedA, seedB) => {
        const parts = generated.map(reportsOf)
        const run = (seed: number) => {
          let unit: UnitState | undefined
          let total = none
          for (const { reporter, report } of deliveriesOf(parts, seeded(seed))) {
            const merged = mergeUnit(unit, reporter, report)
            unit = merged.unit
            total = sumContributions(total, merged.delta)
          }
          return { unit: unit as UnitState, total }
        }
        const one = run(seedA)
        const other = run(seedB)
        expect(sortedParts(one.unit)).toEqual(sortedParts(other.unit))
        expectSame(one.total.tested, contributionOf(one.unit).tested)
        expectSame(one.total.gap, contributionOf(one.unit).gap)
        const last = parts.flatMap((ofReporter) => ofReporter.map((reports) => reports.at(-1) as UnitReport))
        const told = armStatsOf(last.some(({ gap }) => gap) ? one.total.gap : one.total.tested)
        expect(told.units).toBe(1)
        expect(told.requests).toBe(last.reduce((sum, { requests }) => sum + requests, 0))
        expect(told.costUsd).toBeCloseTo(
          last.reduce((sum, { costUsd }) => sum + costUsd, 0),
          9,
        )
        expect(told.events.error).toBe(last.some(({ errors }) => errors > 0) ? 1 : 0)
      }),
      { numRuns: runs(500) },
    )
  })

  it('freezes the values at sealing: later reports change the totals, never the moments', () => {
    fc.assert(
      fc.property(reporterParts, fc.integer(), fc.nat(20), (generated, seed, sealAfter) => {
        let unit: UnitState | undefined
        let total = none
        let frozen: UnitState['sealed']
        for (const [index, { reporter, report }] of deliveriesOf(generated.map(reportsOf), seeded(seed)).entries()) {
          const merged = mergeUnit(unit, reporter, report)
          unit = merged.unit
          total = sumContributions(total, merged.delta)
          if (index !== sealAfter) continue
          const sealed = sealUnit(unit)
          unit = sealed.unit
          total = sumContributions(total, sealed.delta)
          frozen = unit.sealed
        }
        expect(unit?.sealed).toEqual(frozen)
        const side = unit?.gap ? total.gap : total.tested
        expect(armStatsOf(side).closed.cost_usd.n).toBe(frozen?.cost_usd === undefined ? 0 : 1)
        expect(armStatsOf(side).closed.cost_usd.sum).toBeCloseTo(frozen?.cost_usd ?? 0, 9)
        expect(Object.values(total.pictures)).toEqual(Object.keys(frozen ?? {}).length > 0 ? [1, 1] : [])
        expect(sealUnit(unit as UnitState).delta).toEqual(frozen ? none : expect.anything())
      }),
      { numRuns: runs(300) },
    )
  })

  it('knows at any time what would be lost without each reporter or key, as if it had never reported', () => {
    const keys = ['key-a', 'key-a', 'key-b']
    fc.assert(
      fc.property(reporterParts, fc.integer(), (generated, seed) => {
        let whole: UnitState | undefined
        const lost = new Map<string, Totals>()
        const deliveries = deliveriesOf(generated.map(reportsOf), seeded(seed)).map((delivery) => ({
          ...delivery,
          report: { ...delivery.report, gap: false },
        }))
        const keyOf = (reporter: string) => keys[Number(reporter.slice(-1))]
        const take = (before: UnitState | undefined, after: UnitState) => {
          for (const [source, delta] of sourceDeltas(before, after)) {
            lost.set(source, sumTotals(lost.get(source) ?? {}, delta))
          }
          whole = after
        }
        for (const { reporter, report } of deliveries) {
          const merged = mergeUnit(whole, reporter, report, keyOf(reporter))
          if (merged.changed) take(whole, merged.unit)
        }
        take(whole, sealUnit(whole as UnitState).unit)
        for (const source of sourcesOf(whole as UnitState)) {
          let rest: UnitState | undefined
          for (const { reporter, report } of deliveries) {
            if ([`reporter/${reporter}`, `key/${keyOf(reporter)}`].includes(source)) continue
            rest = mergeUnit(rest, reporter, report, keyOf(reporter)).unit
          }
          const left = contributionOf(rest && sealUnit(rest).unit).tested
          expectSame(sumTotals(left, lost.get(source) ?? {}), contributionOf(whole).tested)
        }
      }),
      { numRuns: runs(300) },
    )
  })

  it('keeps the first value that an output showed of a field', () => {
    const [[report]] = reportsOf([
      { ticks: [{ failed: 'ok', costUsd: 1, latencyMs: 1 }], closed: false, gap: false },
    ]) as [[UnitReport]]
    const first = mergeUnit(undefined, 'one', { ...report, outputs: [{ class: 1 }, null] })
    const later = mergeUnit(first.unit, 'two', { ...report, outputs: [{ class: 0 }, { number: 3 }] })
    expect(later.unit.outputs).toEqual([{ class: 1 }, { number: 3 }])
    expect(first.delta.tested.class_0_1).toBe(1)
    expect(later.delta.tested).toMatchObject({ number_1_n: 1, number_1_sum: 3, number_1_sumSquares: 9 })
    expect(later.delta.tested).not.toHaveProperty('class_0_0')
    expect(armStatsOf(contributionOf(later.unit).tested).outputs).toEqual({
      classes: { '0': { '1': 1 } },
      numbers: { '1': { n: 1, sum: 3, sumSquares: 9 } },
    })
  })

  it('refuses one reporter too many and leaves the unit as it is', () => {
    let unit: UnitState | undefined
    const [[report]] = reportsOf([
      { ticks: [{ failed: 'ok', costUsd: 1, latencyMs: 1 }], closed: false, gap: false },
    ]) as [[UnitReport]]
    for (let index = 0; index < maxReportersPerUnit; index++) unit = mergeUnit(unit, `reporter-${index}`, report).unit
    const refused = mergeUnit(unit, 'one-too-many', report)
    expect(refused).toEqual({ unit, delta: none, changed: false, full: true })
    expect(mergeUnit(unit, 'reporter-0', { ...report, revision: 2, requests: 2 }).changed).toBe(true)
  })
})

const sortedParts = (unit: UnitState): unknown => ({
  ...unit,
  parts: Object.fromEntries(Object.entries(unit.parts).sort(([left], [right]) => (left < right ? -1 : 1))),
})
