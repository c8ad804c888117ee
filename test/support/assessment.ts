import type { AssessmentInput } from '../../src/domain/guardrail'
import type { GuardrailPolicy, Policy } from '../../src/domain/policy'
import type { ArmStats, EventName, Moments, StratumStats } from '../../src/domain/telemetry'
import { simulatedPolicy } from '../../tools/simulated-release'

/** Moments of a list of values, as a store would have summed them. */
export function momentsOf(values: readonly number[]): Moments {
  const sum = (value: (item: number) => number): number => values.reduce((total, item) => total + value(item), 0)
  return {
    n: values.length,
    sum: sum((item) => item),
    sumSquares: sum((item) => item * item),
    logSum: sum((item) => Math.log(item)),
    logSumSquares: sum((item) => Math.log(item) ** 2),
  }
}

export interface ArmSketch {
  readonly units?: number
  readonly events?: Partial<Record<EventName, number>>
  readonly costs?: readonly number[]
}

export function arm({ units = 0, events = {}, costs = [] }: ArmSketch = {}): ArmStats {
  const moments = momentsOf(costs)
  return {
    units,
    requests: units * 3,
    costUsd: moments.sum,
    uncachedCostUsd: moments.sum,
    latencyMs: units * 3 * 800,
    inputTokens: 0,
    outputTokens: 0,
    errorRequests: events.error ?? 0,
    schemaFailureRequests: events.schema_failure ?? 0,
    events: { error: 0, schema_failure: 0, cost_exceeded: 0, latency_exceeded: 0, ...events },
    closed: { cost_usd: moments, uncached_cost_usd: moments, latency_ms: momentsOf([]) },
  }
}

export function stratum(sketch: {
  readonly seq?: number
  readonly share?: number
  readonly candidate?: ArmSketch
  readonly incumbent?: ArmSketch
  readonly environment?: string
}): StratumStats {
  return {
    environment: sketch.environment ?? 'production',
    task: 'csat-scoring',
    seq: sketch.seq ?? 2,
    slice: 0,
    share: sketch.share ?? 0.5,
    by: 'conversation',
    candidate: arm(sketch.candidate),
    incumbent: arm(sketch.incumbent),
  }
}

/** One guardrail on errors with a margin of a quarter, unless told otherwise; no breakers. */
export function policyWith(changes: Partial<Policy> & { readonly guardrail?: Partial<GuardrailPolicy> } = {}): Policy {
  const { guardrail, ...rest } = changes
  const base: GuardrailPolicy = { metric: 'error_rate', role: 'rollback', margin: 0.25, noEvidence: 'extend' }
  return { ...simulatedPolicy(0.25), breakers: [], guardrails: [{ ...base, ...guardrail }], ...rest }
}

/** An assessment of a step in production at entry 2, whose minimum sample is 50; units as the strata of entry 2 say. */
export function inputOf(
  strata: readonly StratumStats[],
  changes: Partial<Omit<AssessmentInput, 'step'>> & {
    readonly step?: Partial<NonNullable<AssessmentInput['step']>>
  } = {},
): AssessmentInput {
  const current = strata.filter(({ seq }) => seq === 2)
  const units = {
    candidate: current.reduce((sum, row) => sum + row.candidate.units, 0),
    incumbent: current.reduce((sum, row) => sum + row.incumbent.units, 0),
  }
  const { step, ...rest } = changes
  return {
    policy: policyWith(),
    strata,
    windows: [],
    spend: { releaseUsd: 0, lastHourUsd: 0 },
    step: { environment: 'production', seqs: [2], minimumSample: 50, bakeComplete: false, units, ...step },
    hasIncumbent: true,
    ...rest,
  }
}
