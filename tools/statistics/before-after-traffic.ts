import { judgeBeforeAfter } from '../../src/domain/before-after-guardrail'
import { addPair, emptyPairs, type PairedMoments } from '../../src/stats/paired-difference'
import { type Random, randomFrom } from '../random'
import { alpha } from './watchers'

/**
 * Tenants exposed by name at 100 %, without a control of their own. `right`: a tenant is one pair of rates, held against how
 * the others changed. `conversations`: each conversation is a unit of the same difference in differences. `exposed alone`: what
 * the exposed tenants' conversations came to before and after, and nobody else's. Each is tested at a part of alpha by look.
 */
export const beforeAfterCountings = ['right', 'conversations', 'exposed alone'] as const
export type BeforeAfterCounting = (typeof beforeAfterCountings)[number]

export interface BeforeAfterScenario {
  /** Exposed, and as many others. */
  readonly tenants: number
  readonly before: number
  /** Conversations of a tenant until the first look, on average; as many again come with each further doubling. */
  readonly firstLook: number
  readonly medianErrors: number
  /** Deviation of the logarithm of a tenant's rate, and of how that rate drifts from before to after. */
  readonly spread: number
  readonly drift: number
  /** Added to everybody's rate after the exposure: an outage of the provider. */
  readonly outage: number
  readonly effect: number
}

export const sharedOutage: BeforeAfterScenario = {
  tenants: 30,
  before: 200,
  firstLook: 20,
  medianErrors: 0.02,
  spread: 1,
  drift: 0.5,
  outage: 0.05,
  effect: 1,
}

interface Person {
  readonly before: number
  readonly beforeErrors: number
  readonly rate: number
  after: number
  afterErrors: number
}

type Group = readonly Person[]
const looksTaken = 6

/** The look of the first alarm at margin 0, by way of counting. */
export function simulateBeforeAfter(
  scenario: BeforeAfterScenario,
  seed: number,
): Readonly<Record<BeforeAfterCounting, number | undefined>> {
  const random = randomFrom(seed)
  const exposed = Array.from({ length: scenario.tenants }, () => personOf(scenario, scenario.effect, random))
  const control = Array.from({ length: scenario.tenants }, () => personOf(scenario, 1, random))
  const alarms: Record<BeforeAfterCounting, number | undefined> = {
    right: undefined,
    conversations: undefined,
    'exposed alone': undefined,
  }
  for (let look = 0; look < looksTaken; look += 1) {
    const more = scenario.firstLook * (look === 0 ? 1 : 2 ** (look - 1))
    for (const person of [...exposed, ...control]) {
      person.after += more
      person.afterErrors += errorsAmong(more, person.rate, random)
    }
    const fails: Record<BeforeAfterCounting, boolean> = {
      right: isTold(look, exposed, control),
      conversations: isBeyond(changeOf(exposed), changeOf(control)),
      'exposed alone': isBeyond(changeOf(exposed), { estimate: 0, variance: 0 }),
    }
    for (const counting of beforeAfterCountings) if (fails[counting]) alarms[counting] ??= look + 1
  }
  return alarms
}

function personOf(
  { before, medianErrors, spread, drift, outage }: BeforeAfterScenario,
  effect: number,
  random: Random,
) {
  const base = medianErrors * Math.exp(spread * random.normal())
  const rate = Math.min(0.6, base * Math.exp(drift * random.normal()) * effect + outage)
  const beforeErrors = errorsAmong(before, Math.min(0.4, base), random)
  return { before, beforeErrors, rate, after: 0, afterErrors: 0 }
}

function errorsAmong(count: number, rate: number, random: Random): number {
  let errors = 0
  for (let one = 0; one < count; one += 1) if (random.uniform() < rate) errors += 1
  return errors
}

const pairsOf = (group: Group): PairedMoments =>
  group.reduce((pairs, one) => addPair(pairs, one.beforeErrors / one.before, one.afterErrors / one.after), emptyPairs)

function isTold(look: number, exposed: Group, control: Group): boolean {
  const beforeAfter = { metric: 'error_rate', role: 'notify', margin: 0, minimumTenants: 10 } as const
  const looks = [{ look, exposed: pairsOf(exposed), control: pairsOf(control) }]
  const judged = judgeBeforeAfter({ policy: { alpha, beforeAfter }, hasIncumbent: true, beforeAfter: looks })
  return judged.some(({ verdict }) => verdict.verdict === 'fail')
}

/** As if every conversation were drawn by itself. */
function changeOf(group: Group): { readonly estimate: number; readonly variance: number } {
  const sum = (value: (one: Person) => number): number => group.reduce((total, one) => total + value(one), 0)
  const [before, after] = [sum((one) => one.before), sum((one) => one.after)]
  const [rateBefore, rateAfter] = [sum((one) => one.beforeErrors) / before, sum((one) => one.afterErrors) / after]
  const variance = (rateBefore * (1 - rateBefore)) / before + (rateAfter * (1 - rateAfter)) / after
  return { estimate: rateAfter - rateBefore, variance }
}

/** The standard normal quantile of 1 − 0.05 / 12. */
const zOfLook = 2.638
type Change = ReturnType<typeof changeOf>
const isBeyond = (own: Change, shared: Change): boolean =>
  own.estimate - shared.estimate > zOfLook * Math.sqrt(own.variance + shared.variance)
