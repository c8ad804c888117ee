import fc from 'fast-check'
import { assess } from '../../../src/domain/analysis'
import { backtest, type RecordedLook } from '../../../src/domain/backtest'
import { checkpointDue, maxCheckpoints } from '../../../src/domain/checkpoint'
import type { AssessmentInput } from '../../../src/domain/guardrail'
import type { OutputPolicy, Policy } from '../../../src/domain/policy'
import type { ArmStats, StratumStats } from '../../../src/domain/telemetry'
import { anyInput } from '../../support/any-assessment'
import { inputOf, stratum } from '../../support/assessment'

const outputs: readonly OutputPolicy[] = [
  { field: 'sentiment', classes: ['angry', 'pleased'], role: 'pause' },
  { field: 'csat', role: 'notify' },
]
const count = fc.nat(400)
const told = fc.record({
  classes: fc.record({ 0: fc.record({ 0: count, 1: count, 2: count }) }),
  numbers: fc.record({ 1: fc.record({ n: count, sum: fc.nat(2_000), sumSquares: fc.nat(20_000) }) }),
})
const tenant = fc.record({
  tenant: fc.constantFrom('acme', 'beta', 'gamma'),
  strata: fc.array(
    fc.record({
      seq: fc.integer({ min: 1, max: 4 }),
      slice: fc.integer({ min: 0, max: 2 }),
      candidate: fc.record({ error: count }),
      incumbent: fc.record({ error: count }),
    }),
    { maxLength: 3 },
  ),
})
const source = fc.record({
  kind: fc.constantFrom('key' as const, 'reporter' as const),
  name: fc.string({ maxLength: 3 }),
  lost: fc.array(
    fc.record({
      environment: fc.constant('production'),
      seq: fc.integer({ min: 1, max: 4 }),
      slice: fc.integer({ min: 0, max: 2 }),
      arm: fc.constantFrom('candidate' as const, 'incumbent' as const),
      totals: fc.record({ units: count, event_error: count }),
    }),
    { maxLength: 4 },
  ),
  windows: fc.array(fc.record({ requests: count, errors: count }), { minLength: 1, maxLength: 1 }),
})

/** Evidence with all that a judgement may look at. */
const anyEvidence: fc.Arbitrary<AssessmentInput> = fc
  .record({
    input: anyInput,
    arms: fc.array(told, { minLength: 10, maxLength: 10 }),
    tenants: fc.option(fc.record({ watched: fc.array(tenant, { maxLength: 4 }), eligible: fc.nat(10) }), {
      nil: undefined,
    }),
    sources: fc.option(fc.array(source, { maxLength: 6 }), { nil: undefined }),
    watchesOutputs: fc.boolean(),
  })
  .map(({ input, arms, tenants, sources, watchesOutputs }) => ({
    ...input,
    policy: watchesOutputs ? { ...input.policy, outputs } : input.policy,
    // One a breaker, as the store reads them.
    windows: [...input.windows, { windowMs: 60_000, requests: 0, errors: 0, costUsd: 0 }].slice(0, 1),
    strata: input.strata.map((row, index) => (watchesOutputs ? withOutputs(row, arms, index) : row)),
    ...(tenants === undefined ? {} : { tenants }),
    ...(sources === undefined ? {} : { sources }),
  }))

function withOutputs(row: StratumStats, arms: readonly NonNullable<ArmStats['outputs']>[], index: number) {
  if (row.by === 'tenant') return row
  const of = (stats: ArmStats, place: number): ArmStats => ({ ...stats, ...(arms[place] && { outputs: arms[place] }) })
  const fields = outputs.map(({ role: _role, ...field }) => field)
  return {
    ...row,
    outputs: fields,
    candidate: of(row.candidate, index),
    incumbent: of(row.incumbent, index + 5),
  }
}

/** As a decision record gives it back. */
const stored = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T

const lookOf = (input: AssessmentInput, seq: number): RecordedLook =>
  stored({ seq, at: seq * 1_000, kind: 'assessment' as const, input, assessment: assess(input) })

describe('a backtest', () => {
  it('with the policy that decided gives the same action and the same verdicts, whatever the evidence', () => {
    fc.assert(
      fc.property(anyEvidence, (input) => {
        const { looks, same } = backtest([lookOf(input, 1)], input.policy)
        const [look] = looks
        expect(look?.would.action).toBe(look?.did.action)
        expect(look?.would.mayAdvance).toBe(look?.did.mayAdvance)
        expect(look?.would.verdicts).toEqual(look?.did.verdicts)
        expect(same).toBe(1)
      }),
    )
  })

  it('puts what both policies ask for where the other looks for it: the order of a policy changes no verdict', () => {
    const turned = (policy: Policy): Policy => ({
      ...policy,
      breakers: [...policy.breakers].reverse(),
      ...(policy.outputs === undefined ? {} : { outputs: [...policy.outputs].reverse() }),
    })
    fc.assert(
      fc.property(anyEvidence, (input) => {
        const { looks, notRecorded } = backtest([lookOf(input, 1)], turned(input.policy))
        const [look] = looks
        const named = (rows: readonly { readonly name: string }[]) =>
          [...rows].sort((left, right) => (left.name < right.name ? -1 : 1))
        expect(look?.would.action).toBe(look?.did.action)
        const missing = new Set(notRecorded.map(({ name }) => name))
        expect(named(look?.would.verdicts.filter(({ name }) => !missing.has(name)) ?? [])).toEqual(
          named(look?.did.verdicts.filter(({ name }) => !missing.has(name)) ?? []),
        )
        expect([...missing].filter((name) => name !== 'max_harm' && name !== 'step')).toEqual([])
      }),
    )
  })
})

describe('the looks that are kept', () => {
  const unitsOf = fc.array(fc.nat(50_000), { minLength: 1, maxLength: 300 })

  it('stay below a bound, and between two of them no arm grows by more than the factor and one tick', () => {
    fc.assert(
      fc.property(unitsOf, (grows) => {
        let units = 0
        let last: ReturnType<typeof checkpointDue>
        let kept = 0
        for (const grow of grows) {
          units += grow
          const input = inputOf([stratum({ candidate: { units }, incumbent: { units } })])
          const due = checkpointDue(last, { input, assessment: assess(input) })
          if (due === undefined) {
            expect(units).toBeLessThan(Math.max((last?.units.candidate ?? 0) * 1.15, (last?.units.candidate ?? 0) + 10))
            continue
          }
          expect(due.number).toBe((last?.number ?? 0) + 1)
          last = due
          kept++
        }
        expect(kept).toBeLessThanOrEqual(maxCheckpoints.growth + maxCheckpoints.change + maxCheckpoints.step)
      }),
      { numRuns: 30 },
    )
  })
})
