import fc from 'fast-check'
import type { AssessmentInput } from '../../src/domain/guardrail'
import { metricNames } from '../../src/domain/metric'
import { type ArmStats, closedValueNames, eventNames, type StratumStats } from '../../src/domain/telemetry'
import { policyWith } from './assessment'

const count = fc.oneof(fc.nat(5), fc.nat(5000), fc.nat(2_000_000_000))
const amount = fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e9, noNaN: true }))
const moments = fc.record({
  n: count,
  sum: amount,
  sumSquares: amount,
  logSum: fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  logSumSquares: amount,
})
const recordOf = <K extends string, V>(names: readonly K[], value: fc.Arbitrary<V>): fc.Arbitrary<Record<K, V>> =>
  fc.record(Object.fromEntries(names.map((name) => [name, value]))) as fc.Arbitrary<Record<K, V>>
const arm: fc.Arbitrary<ArmStats> = fc.record({
  units: count,
  requests: count,
  costUsd: amount,
  uncachedCostUsd: amount,
  latencyMs: amount,
  inputTokens: count,
  outputTokens: count,
  errorRequests: count,
  schemaFailureRequests: count,
  events: recordOf(eventNames, count),
  closed: recordOf(closedValueNames, moments),
})
const stratum: fc.Arbitrary<StratumStats> = fc.record({
  environment: fc.constantFrom('staging', 'production'),
  task: fc.constant('csat-scoring'),
  seq: fc.integer({ min: 1, max: 4 }),
  slice: fc.integer({ min: 0, max: 2 }),
  share: fc.constantFrom(0, 0.01, 0.25, 0.5, 0.95, 1),
  by: fc.constantFrom('conversation' as const, 'tenant' as const),
  candidate: arm,
  incumbent: arm,
})
const policy = fc
  .record({
    margin: fc.constantFrom(0, 0.1, 0.25),
    role: fc.constantFrom('rollback' as const, 'pause' as const, 'notify' as const),
    noEvidence: fc.constantFrom('pause' as const, 'extend' as const, 'rollback' as const, 'ask' as const),
  })
  .map((row) =>
    policyWith({
      guardrails: metricNames.map((metric) => ({ metric, ...row })),
      breakers: [
        { kind: 'errors', events: ['error'], minCount: 10, minRate: 0.3, windowMs: 60_000 },
        { kind: 'budget', usdPerHour: 100, usdPerRelease: 1000 },
      ],
    }),
  )
/** Anything that a store could hold, plausible or not. */
export const anyInput: fc.Arbitrary<AssessmentInput> = fc
  .record({
    policy,
    strata: fc.array(stratum, { maxLength: 5 }),
    windows: fc.array(fc.record({ windowMs: fc.constant(60_000), requests: count, errors: count, costUsd: amount }), {
      maxLength: 1,
    }),
    spend: fc.record({ releaseUsd: amount, lastHourUsd: amount }),
    hasIncumbent: fc.boolean(),
    reporting: fc.option(fc.record({ silent: fc.boolean(), full: fc.boolean() }), { nil: undefined }),
    step: fc.option(
      fc.record({
        environment: fc.constant('production'),
        seqs: fc.constant([3, 4]),
        minimumSample: fc.constantFrom(0, 50),
        bakeComplete: fc.boolean(),
        units: fc.record({ candidate: count, incumbent: count }),
      }),
      { nil: undefined },
    ),
  })
  .map(({ reporting, step, ...rest }) => ({ ...rest, ...(reporting && { reporting }), ...(step && { step }) }))
