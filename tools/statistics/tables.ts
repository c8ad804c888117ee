import { wilsonInterval } from '../../src/stats/binomial-interval'
import { unitsToFindMeanRatio, unitsToFindRatio } from '../../src/stats/power'
import { type Experiment, experiments, idOf } from './experiments'
import { referenceDelay } from './reference'
import { foundIn } from './streams'
import { type Alarm, type Alarms, harmfulReleases, harmlessReleases, hiddenHarm, type Trial, traps } from './trials'
import { alpha } from './watchers'

/** What was found of a trial, and in how many runs of it. */
export interface Answer {
  readonly alarms: Alarms
  readonly runs: number
}

/** A figure that is not what it has to be. */
export type Complaint = string

export interface Report {
  readonly lines: readonly string[]
  readonly complaints: readonly Complaint[]
}

const percent = (value: number): string => `${(100 * value).toFixed(1)} %`
const range = ({ lower, upper }: { readonly lower: number; readonly upper: number }): string =>
  `${(100 * lower).toFixed(1)}–${(100 * upper).toFixed(1)}`
const units = (value: number): string => (Number.isFinite(value) ? Math.round(value).toLocaleString('en') : '–')
const rowOf = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
const head = (cells: readonly string[]): readonly string[] => [rowOf(cells), rowOf(cells.map(() => '---'))]

/**
 * Delays of the reference are themselves medians of simulated streams: they may be off by as much as this, on top of what our
 * own streams leave open.
 */
const seedNoise = 1.05

/** Above this share the raw mean may only pause; everywhere else a test holds alpha. */
const rawMeanUpTo = 0.5

export function falseAlarmReport(answerOf: (id: string) => Answer): Report {
  const complaints: Complaint[] = []
  const lines = experiments
    .filter(({ harmless }) => harmless)
    .map((experiment) => {
      const cells = [...Object.keys(experiment.ours), ...Object.keys(experiment.peers)].map((test) => {
        const { rate, interval } = found(experiment, test, answerOf)
        const held = test in experiment.ours && !(test === 'mean' && experiment.share > rawMeanUpTo)
        if (held && interval.lower > alpha) complaints.push(`${idOf(experiment)}: ${test} alarms in ${percent(rate)}`)
        return `${test} ${test in experiment.ours ? '**' : ''}${percent(rate)}${test in experiment.ours ? '**' : ''} (${range(interval)})`
      })
      const split = Object.keys(experiment.ours).length
      return rowOf([
        experiment.name,
        percent(experiment.share),
        cells.slice(0, split).join(' · '),
        cells.slice(split).join(' · ') || '–',
      ])
    })
  return {
    lines: [...head(['world', 'share', 'our tests (95 % interval)', 'others, on the same streams']), ...lines],
    complaints,
  }
}

export function delayReport(answerOf: (id: string) => Answer): Report {
  const complaints: Complaint[] = []
  const lines = experiments
    .filter(({ harmless }) => !harmless)
    .flatMap((experiment) =>
      Object.keys({ ...experiment.ours, ...experiment.peers }).map((test) => {
        const { median, medianFrom, p90, rate, interval } = found(experiment, test, answerOf)
        const reference = referenceDelay(experiment.name, experiment.share, test)
        if (reference && medianFrom > seedNoise * reference.median) {
          complaints.push(
            `${idOf(experiment)}: ${test} takes ${units(median)}, the reference ${units(reference.median)}`,
          )
        }
        return rowOf([
          experiment.name,
          percent(experiment.share),
          test in experiment.ours ? `**${test}**` : test,
          `${percent(rate)} (${range(interval)})`,
          `${units(median)} / ${units(p90)}`,
          reference ? `${units(reference.median)} / ${units(reference.p90 ?? Number.NaN)}` : '–',
        ])
      }),
    )
  const title = ['harm', 'share', 'test', 'found in the looks', 'median / p90 units of B', 'reference']
  return { lines: [...head(title), ...lines], complaints }
}

function found(experiment: Experiment, test: string, answerOf: (id: string) => Answer) {
  const { alarms, runs } = answerOf(idOf(experiment))
  return foundIn(
    (alarms[test] ?? []).map(({ at }) => at),
    runs,
  )
}

export function releaseReport(answerOf: (id: string) => Answer): Report {
  const complaints: Complaint[] = []
  const lines: string[] = []
  const section = (title: string, trials: readonly Trial[], harmless: boolean): void => {
    lines.push(
      '',
      `### ${title}`,
      ...head(['releases', 'counted', 'stopped (95 % interval)', 'by', 'median until then']),
    )
    for (const { id } of trials) {
      const { alarms, runs } = answerOf(id)
      for (const [counting, list] of Object.entries(alarms)) {
        const interval = wilsonInterval(list.length, runs)
        const right = counting === 'right'
        if (right && harmless && interval.lower > alpha)
          complaints.push(`${id}: stopped ${percent(list.length / runs)}`)
        if (right && !harmless && interval.upper < leastFound)
          complaints.push(`${id}: found ${percent(list.length / runs)}`)
        const { median } = foundIn(
          list.map(({ at }) => at),
          list.length,
        )
        const share = `${percent(list.length / runs)} (${range(interval)})`
        lines.push(rowOf([id, right ? '**right**' : counting, share, causes(list), units(median)]))
      }
    }
  }
  section('Harmless releases, five guardrails', harmlessReleases, true)
  section('Traps: harmless traffic, one metric alone, margin 0', traps, true)
  section('Harm, five guardrails, margin 25 %', harmfulReleases, false)
  section('Harm to one metric, told late or hidden by pooling', hiddenHarm, false)
  return { lines, complaints }
}

const leastFound = 0.95

function causes(alarms: readonly Alarm[]): string {
  const counts = new Map<string, number>()
  for (const { by } of alarms) if (by !== undefined) counts.set(by, (counts.get(by) ?? 0) + 1)
  return [...counts].map(([by, count]) => `${by} ${count}`).join(', ') || '–'
}

/** Units of both arms that the plan's forecast promises with 80 % certainty, beside what the streams took. */
export function forecastReport(answerOf: (id: string) => Answer): Report {
  const complaints: Complaint[] = []
  const base = { margin: 0, alpha }
  const forecasts = [0.5, 0.1].flatMap((share) => [
    ...[2, 3].map((effect) => ({
      name: `errors 1 → ${effect} %`,
      share,
      test: 'events',
      units: unitsToFindRatio({ ...base, share, effect, baseRate: 0.01 }),
    })),
    ...[1.2, 1.5].map((effect) => ({
      name: `cost +${Math.round(100 * (effect - 1))} %, σ 1`,
      share,
      test: 'mean',
      units: unitsToFindMeanRatio({ ...base, share, effect, variation: Math.sqrt(Math.E - 1) }),
    })),
  ])
  const lines = forecasts.map(({ name, share, test, units: forecast = Number.NaN }) => {
    const { alarms, runs } = answerOf(`${name} @ ${share}`)
    const sorted = (alarms[test] ?? []).map(({ at }) => at / share).sort((left, right) => left - right)
    const taken = sorted[Math.floor(0.8 * runs)] ?? Number.POSITIVE_INFINITY
    if (!(forecast / taken > 0.6 && forecast / taken < 1.7)) complaints.push(`${name} @ ${share}: forecast ${forecast}`)
    return rowOf([name, percent(share), units(forecast), units(taken), (forecast / taken).toFixed(2)])
  })
  return { lines: [...head(['harm', 'share', 'forecast', 'four of five streams', 'ratio']), ...lines], complaints }
}
