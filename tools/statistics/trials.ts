import type { Policy } from '../../src/domain/policy'
import { busyRamp, holdback, upAndDown, upInOutage } from '../scenarios'
import { simulatedPolicy, simulateRelease } from '../simulated-release'
import { type Counting, countings, type Scenario } from '../simulated-traffic'
import {
  type BeforeAfterScenario,
  beforeAfterCountings,
  sharedOutage,
  simulateBeforeAfter,
} from './before-after-traffic'
import { type Experiment, experiments, idOf } from './experiments'
import {
  namedPilot,
  type SliceCounting,
  type SlicedScenario,
  simpsonHarmful,
  simpsonHarmless,
  simulateSlices,
} from './sliced-traffic'
import { runStreams } from './streams'
import { simulateTenants, type TenantCounting, type TenantScenario, tenantRamp } from './tenant-traffic'
import { judged, refunds, simulateTold, surveys, type ToldScenario, toldCountings } from './told-traffic'

/** The first alarm of one run: candidate units or ticks until then, and what stopped it where several things could. */
export interface Alarm {
  readonly at: number
  readonly by?: string
}

/** First alarms by test, or by way of counting; a run without one is absent. */
export type Alarms = Readonly<Record<string, readonly Alarm[]>>

/** Something that is simulated many times. A run depends on its seed only, so any process may do any part of it. */
export interface Trial {
  readonly id: string
  readonly run: (from: number, to: number) => Alarms
}

const streamsOf = (experiment: Experiment): Trial => ({
  id: idOf(experiment),
  run: (from, to) =>
    Object.fromEntries(
      Object.entries(runStreams(experiment, from, to)).map(([name, found]) => [name, found.map((at) => ({ at }))]),
    ),
})

/** Runs one thing for each seed, and gathers what it says by name. */
function perSeed(
  names: readonly string[],
  run: (seed: number) => Readonly<Record<string, Alarm | undefined>>,
): Trial['run'] {
  return (from, to) => {
    const alarms: Record<string, Alarm[]> = Object.fromEntries(names.map((name) => [name, []]))
    for (let seed = from; seed < to; seed += 1) {
      for (const [name, alarm] of Object.entries(run(seed))) if (alarm) alarms[name]?.push(alarm)
    }
    return alarms
  }
}

function releasesOf(
  id: string,
  scenario: Omit<Scenario, 'seed'>,
  policy: Policy,
  counted: readonly Counting[] = ['right'],
): Trial {
  const run = perSeed(counted, (seed) => {
    const stopped = simulateRelease({ ...scenario, seed }, policy, counted)
    return Object.fromEntries(
      Object.entries(stopped).map(([name, { candidates, action, by }]) => [
        name,
        { at: candidates, by: `${action} ${by}` },
      ]),
    )
  })
  return { id, run }
}

const atTick = (ticks: Readonly<Record<string, number | undefined>>): Record<string, Alarm | undefined> =>
  Object.fromEntries(Object.entries(ticks).map(([name, tick]) => [name, tick === undefined ? undefined : { at: tick }]))

const errorsAlone = simulatedPolicy(0, ['error_rate'])
const sliceCountings: readonly SliceCounting[] = ['right', 'pooled']

const slicesOf = (id: string, scenario: SlicedScenario): Trial => ({
  id,
  run: perSeed(sliceCountings, (seed) => atTick(simulateSlices(scenario, errorsAlone, seed))),
})

const tenantsOf = (id: string, scenario: TenantScenario): Trial => ({
  id,
  run: perSeed(['right', 'recounted', 'conversations'] satisfies TenantCounting[], (seed) =>
    atTick(simulateTenants(scenario, seed)),
  ),
})

const beforeAfterOf = (id: string, scenario: BeforeAfterScenario): Trial => ({
  id,
  run: perSeed(beforeAfterCountings, (seed) => atTick(simulateBeforeAfter(scenario, seed))),
})

const toldOf = (id: string, scenario: ToldScenario): Trial => ({
  id,
  run: perSeed(toldCountings, (seed) => atTick(simulateTold(scenario, seed))),
})

/** Harmless releases under the whole policy: five guardrails share the alpha. */
export const harmlessReleases: readonly Trial[] = [
  releasesOf('1 → 5 → 25 → 50 → 5 %, outage on the way down; margin 0', upAndDown, simulatedPolicy(0)),
  releasesOf('the same, outage on the way up; margin 0', upInOutage, simulatedPolicy(0)),
  releasesOf('25 % then 95 % (holdback); margin 0', holdback, simulatedPolicy(0)),
  releasesOf('1 → 5 → 25 → 50 → 5 %, outage; margin 25 %', upAndDown, simulatedPolicy(0.25)),
]

/** Harmless traffic counted rightly and in known wrong ways: one metric alone, at the whole alpha. */
export const traps: readonly Trial[] = [
  releasesOf('ramp up and down, outage on the way down', upAndDown, errorsAlone, countings),
  releasesOf('ramp up while a shared outage lasts', upInOutage, errorsAlone, countings),
  slicesOf('pilots by name at 100 % beside 5 % of the rest', namedPilot),
  slicesOf("Simpson's case: bad tenants have the candidate more often", simpsonHarmless),
  tenantsOf('exposure by tenant, 5 → 25 → 50 %', tenantRamp),
  beforeAfterOf('before and after by name at 100 %, shared outage', sharedOutage),
  beforeAfterOf('the same, ten tenants a side', { ...sharedOutage, tenants: 10 }),
  toldOf('surveys told up to two steps later, a bad day, ramp down', surveys),
  toldOf('refunds told so, their mean', refunds),
  toldOf('a judge of a 5 % sample, a bad day, money gone before the end', judged),
]

/** Harm that a wrong way of counting hides, or that a whole policy is to find. */
export const harmfulReleases: readonly Trial[] = [
  releasesOf('errors doubled, 250 conversations a tick', { ...busyRamp, harm: { errors: 2 } }, simulatedPolicy(0.25)),
  releasesOf('errors times five, 40 a tick', { ...upAndDown, harm: { errors: 5 } }, simulatedPolicy(0.25)),
  releasesOf('cost +50 %, 40 a tick', { ...upAndDown, harm: { cost: 1.5 } }, simulatedPolicy(0.25)),
  releasesOf('cost +50 %, 250 a tick', { ...busyRamp, harm: { cost: 1.5 } }, simulatedPolicy(0.25)),
]

export const hiddenHarm: readonly Trial[] = [
  slicesOf("Simpson's case: errors doubled, good tenants have the candidate more often", simpsonHarmful),
  tenantsOf('exposure by tenant, errors times three', { ...tenantRamp, effect: 3 }),
  beforeAfterOf('before and after by name at 100 %, errors doubled', { ...sharedOutage, tenants: 100, effect: 2 }),
  toldOf('surveys told up to two steps later, failures +50 %', { ...surveys, effect: 1.5 }),
  toldOf('refunds told so, doubled', { ...refunds, effect: 2 }),
  toldOf('a judge of a 5 % sample, failures doubled', { ...judged, effect: 2 }),
]

export const trials: readonly Trial[] = [
  ...harmlessReleases,
  ...traps,
  ...harmfulReleases,
  ...hiddenHarm,
  ...experiments.map(streamsOf),
]
