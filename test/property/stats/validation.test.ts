import { wilsonInterval } from '../../../src/stats/binomial-interval'
import { simulatedPolicy } from '../../../tools/simulated-release'
import { sharedOutage, simulateBeforeAfter } from '../../../tools/statistics/before-after-traffic'
import { type Experiment, experiments, idOf } from '../../../tools/statistics/experiments'
import { referenceDelay } from '../../../tools/statistics/reference'
import { namedPilot, simpsonHarmful, simpsonHarmless, simulateSlices } from '../../../tools/statistics/sliced-traffic'
import { foundIn, runStreams } from '../../../tools/statistics/streams'
import { simulateTenants, tenantRamp } from '../../../tools/statistics/tenant-traffic'
import { simulateTold, surveys } from '../../../tools/statistics/told-traffic'
import { trials } from '../../../tools/statistics/trials'
import { runs } from '../../support/effort'

/**
 * A bounded form of `npm run validate:statistics`: the same worlds, fewer and shorter streams. Seeds are fixed, so the
 * counts are too. What others do runs beside, to show that this measurement can fail.
 */
const alpha = 0.05
const streams = 40
const bounded = (experiment: Experiment): Experiment => ({ ...experiment, looks: 800, peers: {} })
const named = (id: string): Experiment => experiments.find((one) => idOf(one) === id) as Experiment
const clearlyAbove = (alarms: number, runs: number): boolean => wilsonInterval(alarms, runs).lower > alpha

const harmless = experiments.filter((experiment) => experiment.harmless)

describe('tests that are looked at after every unit', () => {
  it.each(harmless.map((experiment) => [idOf(experiment), experiment] as const))(
    'hold alpha: %s',
    (_id, experiment) => {
      const few = runs(streams, 24)
      const alarms = runStreams(bounded(experiment), 1, few + 1)
      for (const [test, found] of Object.entries(alarms)) {
        expect({ test, broken: clearlyAbove(found.length, few) }).toEqual({ test, broken: false })
      }
    },
  )

  it.each(['errors of 5 % @ 0.5', 'lognormal values, σ 1 @ 0.5', 'five output classes @ 0.5'])(
    'do not, where the test is meant for one look: %s',
    (id) => {
      const { ours: _ours, peers, ...world } = named(id)
      const [name = ''] = Object.keys(peers)
      const alarms = runStreams({ ...world, looks: 3000, ours: {}, peers }, 1, streams + 1)
      expect(clearlyAbove(alarms[name]?.length ?? 0, streams)).toBe(true)
    },
  )

  it.each([
    ['errors 1 → 3 %', 0.5, 'events'],
    ['errors 1 → 3 %', 0.1, 'events'],
    ['cost +50 %, σ 1', 0.5, 'mean'],
    ['cost +50 %, σ 1', 0.5, 'log mean'],
    ['5 points to the rarest class', 0.1, 'multinomial'],
  ] as const)('find harm about as soon as the reference: %s at %d by %s', (name, share, test) => {
    const alarms = runStreams({ ...named(`${name} @ ${share}`), peers: {} }, 1, streams + 1)
    const { median, rate } = foundIn(alarms[test] ?? [], streams)
    expect(rate).toBe(1)
    // Two medians of forty and of thousands of streams differ by a quarter at most.
    expect(median).toBeLessThanOrEqual(1.25 * (referenceDelay(name, share, test)?.median ?? 0))
  })
})

describe('traps that break correct formulas', () => {
  const policy = simulatedPolicy(0, ['error_rate'])
  const seeds = Array.from({ length: 20 }, (_, index) => index + 1)

  it.each([
    ['a pilot by name is no control for the rest', namedPilot],
    ["Simpson's case is no harm", simpsonHarmless],
  ])('%s: told right by slice, wrong where slices are pooled', (_name, scenario) => {
    const runs = seeds.map((seed) => simulateSlices({ ...scenario, ticks: 60 }, policy, seed))
    expect(clearlyAbove(runs.filter(({ right }) => right !== undefined).length, seeds.length)).toBe(false)
    expect(clearlyAbove(runs.filter(({ pooled }) => pooled !== undefined).length, seeds.length)).toBe(true)
  })

  it('harm that pooling turns into a gain is found by slice', () => {
    const runs = seeds.map((seed) => simulateSlices({ ...simpsonHarmful, ticks: 150 }, policy, seed))
    expect(runs.filter(({ right }) => right !== undefined).length).toBeGreaterThanOrEqual(19)
    expect(runs.filter(({ pooled }) => pooled !== undefined)).toEqual([])
  })

  it('a value belongs to the stratum of its conversation, however late it is told', () => {
    const told = { ...surveys, conversationsPerTick: 60, told: 1, again: 0 }
    const runs = seeds.slice(0, 12).map((seed) => simulateTold(told, seed))
    expect(clearlyAbove(runs.filter(({ right }) => right !== undefined).length, runs.length)).toBe(false)
    expect(clearlyAbove(runs.filter(({ moment }) => moment !== undefined).length, runs.length)).toBe(true)
  })

  it('a tenant is one unit, however many conversations it has and steps it is in', () => {
    const runs = Array.from({ length: 60 }, (_, index) => simulateTenants(tenantRamp, index + 1))
    const alarmed = (counting: 'right' | 'conversations'): number =>
      runs.filter((run) => run[counting] !== undefined).length
    expect(clearlyAbove(alarmed('right'), runs.length)).toBe(false)
    expect(clearlyAbove(alarmed('conversations'), runs.length)).toBe(true)
  })
})

describe('tenants without a control, held against the others', () => {
  const seeds = Array.from({ length: 100 }, (_, index) => index + 1)
  const toldOf = (scenario: typeof sharedOutage) => {
    const runs = seeds.map((seed) => simulateBeforeAfter(scenario, seed))
    return (counting: 'right' | 'conversations' | 'exposed alone'): number =>
      runs.filter((run) => run[counting] !== undefined).length
  }

  it.each([10, 30])('an outage of everybody is no harm, with %d tenants a side', (tenants) => {
    const told = toldOf({ ...sharedOutage, tenants })
    expect(clearlyAbove(told('right'), seeds.length)).toBe(false)
    expect(clearlyAbove(told('exposed alone'), seeds.length)).toBe(true)
  })

  it('doubled errors are found through it', () => {
    const told = toldOf({ ...sharedOutage, tenants: 100, effect: 2 })
    expect(told('right')).toBeGreaterThanOrEqual(95)
  })
})

it('a trial may be run in parts: the same alarms, whoever runs which', () => {
  for (const id of ['exposure by tenant, 5 → 25 → 50 %', 'errors 1 → 3 % @ 0.5']) {
    const trial = trials.find((one) => one.id === id)
    const whole = trial?.run(1, 9)
    const [first, second] = [trial?.run(1, 4), trial?.run(4, 9)]
    const joined = Object.keys(whole ?? {}).map((name) => [name, [...(first?.[name] ?? []), ...(second?.[name] ?? [])]])
    expect(Object.fromEntries(joined)).toEqual(whole)
  }
})
