import { busyRamp, holdback, type Outcome, runReleases, upAndDown, upInOutage } from '../../../tools/scenarios'
import { simulatedPolicy } from '../../../tools/simulated-release'
import { isFull, runs } from '../../support/effort'

/**
 * The live guardrails on simulated releases: conversations of correlated requests (0.3) that outlive their step, three
 * replicas that share them, a ramp up and down, a provider outage that hits both arms, a look at every tick. Seeds are
 * fixed, so the counts are too. The wrong ways of counting run beside, to show that this measurement can fail.
 */
const alpha = 0.05
const minutes = 60_000
const releases = runs(1000)

const clearlyAbove = ({ interval }: Outcome): boolean => interval.lower > alpha

describe('on harmless releases', () => {
  // With a margin of zero a candidate that equals the incumbent is the hardest harmless one.
  const strict = simulatedPolicy(0)

  it(
    `${releases} of them alarm at most alpha often`,
    () => {
      const { right } = runReleases({ ...upAndDown, conversationsPerTick: 30 }, strict, releases)
      expect(right.releases).toBe(releases)
      expect(right.rate).toBeLessThanOrEqual(alpha)
      expect(right.interval.lower).toBeLessThanOrEqual(alpha)
    },
    3 * minutes,
  )

  it(
    'nor does the last bake, with the incumbent at 5 %, alarm more often',
    () => {
      const { right } = runReleases(holdback, strict, 60)
      expect(right.rate).toBeLessThanOrEqual(alpha)
    },
    minutes,
  )

  it(
    'wrong ways of counting the same traffic do alarm more often',
    () => {
      const errorsOnly = simulatedPolicy(0, ['error_rate'])
      const down = runReleases(upAndDown, errorsOnly, runs(40, 20), ['right', 'requests', 'moment'])
      // It is wrong by so little that fewer would not show it, which takes too long for every run.
      const replicated = isFull ? runReleases(upAndDown, errorsOnly, 400, ['replicas']) : {}
      const up = runReleases(upInOutage, errorsOnly, runs(40, 20), ['right', 'pooled'])
      expect(down.right.rate).toBeLessThanOrEqual(alpha)
      expect(up.right.rate).toBeLessThanOrEqual(alpha)
      const wrong = { requests: down.requests, moment: down.moment, pooled: up.pooled, ...replicated }
      for (const [name, outcome] of Object.entries(wrong)) {
        expect({ name, broken: clearlyAbove(outcome) }).toEqual({ name, broken: true })
      }
      expect(down.moment.rate).toBeGreaterThan(0.9)
      expect(up.pooled.rate).toBeGreaterThan(0.9)
    },
    3 * minutes,
  )
})

describe('harm is found and rolled back', () => {
  const policy = simulatedPolicy(0.25)

  it.each([
    ['a doubled error rate', busyRamp, { errors: 2 }, ['error_rate']],
    ['a fivefold error rate in little traffic', upAndDown, { errors: 5 }, ['error_rate']],
    ['half as much cost again', upAndDown, { cost: 1.5 }, ['cost_exceedance', 'cost_per_conversation']],
  ] as const)(
    '%s, in at least nineteen of twenty releases, by the guardrail that watches it',
    (_, scenario, harm, watching) => {
      const { right } = runReleases({ ...scenario, harm }, policy, 20)
      expect(right.rate).toBeGreaterThanOrEqual(0.95)
      const rightly = right.alarms.filter(
        ({ action, by }) => action === 'rollback' && (watching as readonly string[]).includes(by),
      )
      expect(rightly.length / right.releases).toBeGreaterThanOrEqual(0.95)
    },
    2 * minutes,
  )
})
