import { wilsonInterval } from '../../src/stats/binomial-interval'
import { randomFrom } from '../random'
import type { Experiment } from './experiments'
import type { Unit } from './sources'

/** Units of B at the first alarm of each stream that had one, by test. */
export type Alarms = Readonly<Record<string, readonly number[]>>

/**
 * Feeds the streams with the seeds `from` to `to` (exclusive), each until every test has alarmed or B has had its looks.
 * All tests see the same units.
 */
export function runStreams(experiment: Experiment, from: number, to: number): Alarms {
  const made = { ...experiment.ours, ...experiment.peers }
  const alarms: Record<string, number[]> = Object.fromEntries(Object.keys(made).map((name) => [name, []]))
  const unit: Unit = { event: false, value: 0, log: 0, kind: 0 }
  for (let seed = from; seed < to; seed += 1) {
    const random = randomFrom(seed)
    const draw = experiment.source(random)
    let watching = Object.entries(made).map(([name, make]) => ({ name, watch: make() }))
    for (let treated = 0; treated < experiment.looks && watching.length > 0; ) {
      const onB = random.uniform() < experiment.share
      treated += Number(onB)
      draw(onB, unit)
      let done = false
      for (const watcher of watching) {
        if (!watcher.watch(onB, unit)) continue
        alarms[watcher.name]?.push(treated)
        watcher.watch = never
        done = true
      }
      if (done) watching = watching.filter(({ watch }) => watch !== never)
    }
  }
  return alarms
}

const never = (): boolean => false

export interface Found {
  readonly alarms: number
  readonly streams: number
  readonly rate: number
  /** 95 % Wilson interval of the rate. */
  readonly interval: { readonly lower: number; readonly upper: number }
  /** Units of B at the median and the 90th percentile alarm; Infinity where fewer streams alarmed. */
  readonly median: number
  /** Lower end of the 95 % interval of the median, by ranks. */
  readonly medianFrom: number
  readonly p90: number
}

export function foundIn(alarms: readonly number[], streams: number): Found {
  const sorted = alarms.toSorted((left, right) => left - right)
  const at = (part: number): number => sorted[Math.floor(part * streams)] ?? Number.POSITIVE_INFINITY
  const rate = sorted.length / streams
  const interval = wilsonInterval(sorted.length, streams)
  const medianFrom = at(Math.max(0, 0.5 - 0.98 / Math.sqrt(streams)))
  return { alarms: sorted.length, streams, rate, interval, median: at(0.5), medianFrom, p90: at(0.9) }
}
