import { assess } from '../src/domain/analysis'
import { windowBetween } from '../src/domain/breaker'
import type { MetricName } from '../src/domain/metric'
import type { GuardrailPolicy, Policy } from '../src/domain/policy'
import { type Counting, type Scenario, SimulatedTraffic } from './simulated-traffic'

const watched = [
  'error_rate',
  'schema_failure_rate',
  'cost_exceedance',
  'cost_per_conversation',
  'latency_exceedance',
] as const

/** A policy with the guardrails of the default one. `margin` 0 makes a harmless candidate the hardest harmless case. */
export function simulatedPolicy(margin: number, metrics: readonly MetricName[] = watched): Policy {
  const guardrails = metrics.map(
    (metric): GuardrailPolicy => ({ metric, role: 'rollback', margin, noEvidence: 'extend' }),
  )
  return {
    environments: ['production'],
    leadMs: 2000,
    approvals: { count: 0, notTheAuthor: false, trustSignals: false },
    test: {
      regressionMargin: 0.02,
      schemaComplianceMin: 0.98,
      tokensRatioMax: 1.5,
      latencyRatioMax: 1.5,
      costRatioMax: 1.5,
      shiftMargin: 0.2,
      budgetUsd: 10,
    },
    stage: { smokeCases: 5 },
    steps: [],
    by: 'conversation',
    alpha: 0.05,
    guardrails,
    breakers: [{ kind: 'errors', events: ['error', 'schema_failure'], minCount: 20, minRate: 0.5, windowMs: 10_000 }],
    deadlineMs: 3_600_000,
    onDeadline: 'pause',
    exceptions: [],
    afterRollback: { hold: true, veto: true },
  }
}

/** What stopped a simulated release, and when; absent where it went through. */
export interface Alarm {
  readonly action: 'pause' | 'rollback'
  readonly by: string
  readonly tick: number
  /** Conversations begun by then, both arms, and those on the candidate. */
  readonly conversations: number
  readonly candidates: number
}

const breakerTicks = 10

/** Runs one release with a look after every tick, under each way of counting, to its first alarm. */
export function simulateRelease(
  scenario: Scenario,
  policy: Policy,
  countings: readonly Counting[],
): Partial<Record<Counting, Alarm>> {
  const traffic = new SimulatedTraffic(scenario, countings)
  const alarms: Partial<Record<Counting, Alarm>> = {}
  const history = [{ ...traffic.totals }]
  let candidates = 0
  while (!traffic.done) {
    const step = traffic.step
    traffic.advance()
    history.push({ ...traffic.totals })
    const earlier = history[Math.max(0, history.length - 1 - breakerTicks)] ?? traffic.totals
    const window = windowBetween(earlier, traffic.totals, 10_000)
    for (const counting of countings) {
      if (alarms[counting] !== undefined) continue
      const strata = traffic.strata[counting]
      const current = strata.find(({ seq }) => seq === step + 1)
      const assessment = assess({
        policy,
        strata,
        windows: [window],
        spend: { releaseUsd: traffic.totals.costUsd, lastHourUsd: traffic.totals.costUsd },
        step: {
          environment: 'production',
          seqs: [step + 1],
          minimumSample: 50,
          bakeComplete: false,
          units: { candidate: current?.candidate.units ?? 0, incumbent: current?.incumbent.units ?? 0 },
        },
        hasIncumbent: true,
      })
      if (assessment.action === 'continue') continue
      const cause = assessment.verdicts.find(({ verdict }) => verdict === 'fail')
      candidates = assessment.arms.candidate.units
      const conversations = candidates + assessment.arms.incumbent.units
      alarms[counting] = {
        action: assessment.action,
        by: cause?.name ?? 'sample_ratio',
        tick: traffic.tick,
        conversations,
        candidates,
      }
    }
    if (countings.every((counting) => alarms[counting] !== undefined)) break
  }
  return alarms
}
