import { assess } from '../../src/domain/analysis'
import type { Policy } from '../../src/domain/policy'
import type { StratumStats } from '../../src/domain/telemetry'
import { type Random, randomFrom } from '../random'
import { emptyStratum, type TallyStratum } from '../simulated-traffic'

/** A group of tenants with an exposure of its own: a pilot named one by one, or a share of the rest. */
export interface TrafficSlice {
  readonly share: number
  /** Its part of all units. */
  readonly part: number
  /** Rate of errors on the incumbent. */
  readonly errors: number
}

export interface SlicedScenario {
  readonly slices: readonly TrafficSlice[]
  readonly unitsPerTick: number
  readonly ticks: number
  /** The candidate's errors as a multiple of the incumbent's. */
  readonly effect: number
}

/** `right`: each slice is a stratum of its own. `pooled`: all units together, at the share they had on average. */
export type SliceCounting = 'right' | 'pooled'

/** The tick of the first alarm of the live guardrails, under each way of counting. */
export function simulateSlices(
  scenario: SlicedScenario,
  policy: Policy,
  seed: number,
): Readonly<Record<SliceCounting, number | undefined>> {
  const random = randomFrom(seed)
  const own = scenario.slices.map(({ share }, index) => ({ ...emptyStratum(1, share), slice: index }))
  const share = scenario.slices.reduce((sum, slice) => sum + slice.part * slice.share, 0)
  const pooled = emptyStratum(1, share)
  const alarms: Record<SliceCounting, number | undefined> = { right: undefined, pooled: undefined }
  for (let tick = 1; tick <= scenario.ticks; tick += 1) {
    for (let unit = 0; unit < scenario.unitsPerTick; unit += 1) addUnit(scenario, random, own, pooled)
    if (alarms.right === undefined && stops(policy, own)) alarms.right = tick
    if (alarms.pooled === undefined && stops(policy, [pooled])) alarms.pooled = tick
    if (alarms.right !== undefined && alarms.pooled !== undefined) break
  }
  return alarms
}

function addUnit(
  { slices, effect }: SlicedScenario,
  random: Random,
  own: readonly TallyStratum[],
  pooled: TallyStratum,
): void {
  let left = random.uniform()
  const index = Math.max(
    0,
    slices.findIndex(({ part }) => {
      left -= part
      return left < 0
    }),
  )
  const slice = slices[index]
  if (slice === undefined) return
  const onCandidate = random.uniform() < slice.share
  const error = random.uniform() < slice.errors * (onCandidate ? effect : 1)
  for (const stratum of [own[index], pooled]) {
    const arm = onCandidate ? stratum?.candidate : stratum?.incumbent
    if (arm === undefined) continue
    arm.units += 1
    arm.requests += 1
    arm.errorRequests += error ? 1 : 0
    arm.events.error += error ? 1 : 0
  }
}

function stops(policy: Policy, strata: readonly StratumStats[]): boolean {
  return assess({
    policy,
    strata,
    windows: [],
    spend: { releaseUsd: 0, lastHourUsd: 0 },
    hasIncumbent: true,
  }).verdicts.some(({ reason }) => reason === 'worse_than_incumbent')
}

/** A pilot of tenants with many errors, exposed by name at 100 %, beside 5 % of the rest. */
export const namedPilot: SlicedScenario = {
  slices: [
    { share: 1, part: 0.1, errors: 0.05 },
    { share: 0.05, part: 0.9, errors: 0.01 },
  ],
  unitsPerTick: 200,
  ticks: 300,
  effect: 1,
}

/** Simpson's case: half of the tenants with many errors have the candidate, and few of the others. */
export const simpsonHarmless: SlicedScenario = {
  slices: [
    { share: 0.5, part: 0.2, errors: 0.05 },
    { share: 0.05, part: 0.8, errors: 0.01 },
  ],
  unitsPerTick: 200,
  ticks: 300,
  effect: 1,
}

/** The other way round: the candidate doubles the errors of everyone, and looks better where the slices are pooled. */
export const simpsonHarmful: SlicedScenario = {
  slices: [
    { share: 0.05, part: 0.5, errors: 0.1 },
    { share: 0.5, part: 0.5, errors: 0.01 },
  ],
  unitsPerTick: 200,
  ticks: 300,
  effect: 2,
}
