import { compare } from '../../src/domain/comparison'
import type { MetricStatistic } from '../../src/domain/metric'
import { noQuality } from '../../src/domain/quality'
import { type Random, randomFrom } from '../random'
import { emptyStratum, type TallyStratum } from '../simulated-traffic'
import { alpha } from './watchers'

/**
 * Values that applications or a judge tell of some conversations, during them or long after. `right`: the first value of a
 * conversation, in the stratum that it was served in. `moment`: the same, in the stratum in force when it was told. `every`: each
 * value that is told is a unit.
 */
export const toldCountings = ['right', 'moment', 'every'] as const
export type ToldCounting = (typeof toldCountings)[number]

export interface ToldScenario {
  readonly statistic: Extract<MetricStatistic, { kind: 'failures' | 'told_mean' }>
  readonly conversationsPerTick: number
  readonly steps: readonly number[]
  readonly ticksPerStep: number
  /** Share of the conversations of which a value is told: by those who answer a survey, or by a judge of a sample. */
  readonly told: number
  /** Chance that another value of the same conversation follows, and another after that. */
  readonly again: number
  /** Ticks from the start of a conversation to its first value, and from each to the next; evenly up to this. */
  readonly longestDelay: number
  /** Values in all, both arms: what a judge's budget pays for. */
  readonly mostValues: number
  readonly failures: number
  /** From this tick on three times as many conversations of both arms fail, as in an outage or on a bad day of the judge. */
  readonly badFrom: number
  readonly effect: number
}

const metric = 'told'

/** Answers to a survey, as failures below a mark; the first up to two steps late, and others after it. */
export const surveys: ToldScenario = {
  statistic: { kind: 'failures', metric },
  conversationsPerTick: 200,
  steps: [0.05, 0.25, 0.5, 0.05],
  ticksPerStep: 60,
  told: 0.3,
  again: 0.8,
  longestDelay: 120,
  mostValues: Number.POSITIVE_INFINITY,
  failures: 0.2,
  badFrom: 150,
  effect: 1,
}

/** Amounts paid back: nothing of most conversations, heavy-tailed else; their mean. */
export const refunds: ToldScenario = {
  ...surveys,
  statistic: { kind: 'told_mean', metric, worse: 'higher' },
  conversationsPerTick: 60,
  told: 1,
  failures: 0.08,
}

/** Scores of a small sample, soon after, until the money is gone. */
export const judged: ToldScenario = {
  ...surveys,
  conversationsPerTick: 1_000,
  failures: 0.08,
  told: 0.05,
  again: 0,
  longestDelay: 15,
  mostValues: 9_000,
}

interface Value {
  readonly begunIn: number
  readonly onCandidate: boolean
  readonly isFirst: boolean
  readonly failed: boolean
  readonly amount: number
}

/** The tick of the first alarm, at margin 0 and the whole alpha, by way of counting. */
export function simulateTold(scenario: ToldScenario, seed: number): Readonly<Record<ToldCounting, number | undefined>> {
  const random = randomFrom(seed)
  const ticks = scenario.steps.length * scenario.ticksPerStep
  const strata = Object.fromEntries(
    toldCountings.map((counting) => [counting, scenario.steps.map((share, step) => emptyStratum(step + 1, share))]),
  ) as unknown as Record<ToldCounting, TallyStratum[]>
  const alarms: Record<ToldCounting, number | undefined> = { right: undefined, moment: undefined, every: undefined }
  const calendar: Value[][] = Array.from({ length: ticks }, () => [])
  let left = scenario.mostValues
  for (let tick = 0; tick < ticks; tick += 1) {
    const step = Math.floor(tick / scenario.ticksPerStep)
    for (let index = 0; index < scenario.conversationsPerTick; index += 1) {
      begin(scenario, { random, step, tick, calendar })
    }
    for (const value of calendar[tick] ?? []) {
      if (left-- <= 0) break
      if (value.isFirst) add(strata.right[value.begunIn], value)
      if (value.isFirst) add(strata.moment[step], value)
      add(strata.every[value.begunIn], value)
    }
    for (const counting of toldCountings) {
      if (alarms[counting] === undefined && stops(scenario, strata[counting])) alarms[counting] = tick + 1
    }
    if (toldCountings.every((counting) => alarms[counting] !== undefined)) break
  }
  return alarms
}

interface Moment {
  readonly random: Random
  readonly step: number
  readonly tick: number
  readonly calendar: Value[][]
}

function begin(scenario: ToldScenario, { random, step, tick, calendar }: Moment): void {
  const { failures, effect, badFrom, again, told, longestDelay } = scenario
  const onCandidate = random.uniform() < (scenario.steps[step] ?? 0)
  if (random.uniform() >= told) return
  const rate = failures * (tick >= badFrom ? 3 : 1) * (onCandidate ? effect : 1)
  const failed = random.uniform() < rate
  const amount = failed ? 20 * Math.exp(random.normal()) : 0
  let at = tick
  let isFirst = true
  do {
    at += Math.floor(random.uniform() * longestDelay)
    calendar[at]?.push({ begunIn: step, onCandidate, isFirst, failed, amount })
    isFirst = false
  } while (random.uniform() < again)
}

function add(stratum: TallyStratum | undefined, { onCandidate, failed, amount }: Value): void {
  const arm = onCandidate ? stratum?.candidate : stratum?.incumbent
  if (arm === undefined) return
  const { n, sum, sumSquares, failed: before } = arm.quality?.[metric] ?? noQuality
  const total = { n: n + 1, sum: sum + amount, sumSquares: sumSquares + amount * amount }
  arm.quality = { [metric]: { ...total, failed: before + (failed ? 1 : 0) } }
}

function stops({ statistic }: ToldScenario, strata: readonly TallyStratum[]): boolean {
  const levels = { margin: 0, alpha, certificateAlpha: alpha }
  return compare(statistic, strata, levels).worse !== 'no'
}
