import type { Policy } from '../src/domain/policy'
import { wilsonInterval } from '../src/stats/binomial-interval'
import { type Alarm, simulateRelease } from './simulated-release'
import type { Counting, Scenario } from './simulated-traffic'

const stepTicks = 30
const ramp = (shares: readonly number[]): Scenario['steps'] => shares.map((share) => ({ share, ticks: stepTicks }))

/** Up and down again, with an outage that begins as the ramp goes down and finds conversations of both entries. */
export const upAndDown: Omit<Scenario, 'seed'> = {
  conversationsPerTick: 40,
  steps: ramp([0.01, 0.05, 0.25, 0.5, 0.05]),
  outage: { from: 124, to: 146 },
}

/** Up while the outage lasts: what defeats every pooled test. */
export const upInOutage: Omit<Scenario, 'seed'> = { ...upAndDown, outage: { from: 92, to: 116 } }

/** The last bake, with the incumbent held back at 5 %. */
export const holdback: Omit<Scenario, 'seed'> = {
  conversationsPerTick: 40,
  steps: ramp([0.25, 0.95, 0.95, 0.95, 0.95]),
}

/** A ramp with the traffic that it takes to see a doubled error rate of one in a hundred. */
export const busyRamp: Omit<Scenario, 'seed'> = { ...upAndDown, conversationsPerTick: 250 }

export interface Outcome {
  readonly releases: number
  readonly alarms: readonly Alarm[]
  readonly rate: number
  /** 95 % Wilson interval of the rate. */
  readonly interval: { readonly lower: number; readonly upper: number }
}

/** Releases with the seeds 1 to `releases`, each to its first alarm, by each way of counting. */
export function runReleases(
  scenario: Omit<Scenario, 'seed'>,
  policy: Policy,
  releases: number,
  countings: readonly Counting[] = ['right'],
): Readonly<Record<Counting, Outcome>> {
  const runs = Array.from({ length: releases }, (_, index) =>
    simulateRelease({ ...scenario, seed: index + 1 }, policy, countings),
  )
  const outcomes = countings.map((counting) => {
    const alarms = runs.flatMap((run) => run[counting] ?? [])
    const outcome: Outcome = {
      releases,
      alarms,
      rate: alarms.length / releases,
      interval: wilsonInterval(alarms.length, releases),
    }
    return [counting, outcome] as const
  })
  return Object.fromEntries(outcomes) as Record<Counting, Outcome>
}
