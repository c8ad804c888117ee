import { logEvalueRatioAbove } from '../../src/stats/rate-ratio'
import { randomFrom } from '../random'
import { alpha } from './watchers'

/**
 * Exposure by tenant: whole tenants are drawn, nested from step to step, and each errs at a rate of its own. `right`: a
 * tenant is a unit, counted in the first step that could have drawn it, at the share among those. `recounted`: in each step
 * anew, at the step's share. `conversations`: each of its conversations is a unit.
 */
export const tenantCountings = ['right', 'recounted', 'conversations'] as const
export type TenantCounting = (typeof tenantCountings)[number]

export interface TenantScenario {
  readonly tenants: number
  readonly steps: readonly number[]
  readonly ticksPerStep: number
  /** Conversations of one tenant in a tick, on average; at most one. */
  readonly activity: number
  readonly medianErrors: number
  readonly effect: number
}

export const tenantRamp: TenantScenario = {
  tenants: 400,
  steps: [0.05, 0.25, 0.5],
  ticksPerStep: 60,
  activity: 0.5,
  medianErrors: 0.01,
  effect: 1,
}

/** The tick of the first alarm of the test of errors, at margin 0, by way of counting. */
export function simulateTenants(
  scenario: TenantScenario,
  seed: number,
): Readonly<Record<TenantCounting, number | undefined>> {
  const random = randomFrom(seed)
  const people = Array.from({ length: scenario.tenants }, () => ({
    bucket: random.uniform(),
    rate: Math.min(0.4, scenario.medianErrors * Math.exp(1.5 * random.normal())),
    failedIn: new Set<number>(),
  }))
  const alarms: Record<TenantCounting, number | undefined> = {
    right: undefined,
    recounted: undefined,
    conversations: undefined,
  }
  const strata = Object.fromEntries(
    tenantCountings.map((counting) => [counting, scenario.steps.map((share) => ({ a: 0, b: 0, share }))]),
  ) as Record<TenantCounting, { a: number; b: number; share: number }[]>
  for (const [step, share] of scenario.steps.entries()) {
    const earlier = scenario.steps[step - 1] ?? 0
    const own = strata.right[step]
    if (own) own.share = (share - earlier) / (1 - earlier)
    for (let tick = 1; tick <= scenario.ticksPerStep; tick += 1) {
      for (const person of people) {
        const arm = person.bucket < share ? 'b' : 'a'
        const rate = person.rate * (arm === 'b' ? scenario.effect : 1)
        if (random.uniform() >= scenario.activity * rate) continue
        add(strata.conversations[step], arm)
        if (person.failedIn.has(step)) continue
        person.failedIn.add(step)
        add(strata.recounted[step], arm)
        if (person.bucket >= earlier) add(own, arm)
      }
      for (const counting of tenantCountings) {
        if (logEvalueRatioAbove(strata[counting], 1) < -Math.log(alpha)) continue
        alarms[counting] ??= step * scenario.ticksPerStep + tick
      }
    }
  }
  return alarms
}

function add(stratum: { a: number; b: number } | undefined, arm: 'a' | 'b'): void {
  if (stratum) stratum[arm] += 1
}
