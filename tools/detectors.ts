import { logEvidenceAbove } from '../src/stats/asymptotic-confidence-sequence'
import { stratifiedDifference } from '../src/stats/mean-difference'
import { logEvalueMultinomialShift } from '../src/stats/multinomial-shift'
import { logEvalueRatioAbove } from '../src/stats/rate-ratio'
import { logEvalueRatioMismatch } from '../src/stats/sample-ratio'
import { type Random, randomFrom } from './random'

/** One detector on one stream of independent units: takes a unit, and tells whether it alarms now. */
export interface Detector {
  readonly add: (onB: boolean, random: Random) => boolean
}

const alpha = 0.05
const alarmAt = -Math.log(alpha)

/** Events at `rate` in the control and `rate` × `effect` in the treatment, tested against a margin. */
export function errorDetector(share: number, rate: number, effect: number, margin = 0): Detector {
  const counts = { a: 0, b: 0, share }
  return {
    add: (onB, random) => {
      if (random.uniform() >= (onB ? rate * effect : rate)) return false
      counts[onB ? 'b' : 'a'] += 1
      return onB && logEvalueRatioAbove([counts], 1 + margin) >= alarmAt
    },
  }
}

/** Lognormal values with σ = 1, the treatment's `effect` times the control's; tested raw or as logarithms. */
export function costDetector(share: number, effect: number, scale: 'raw' | 'log', margin = 0): Detector {
  const a = { n: 0, sum: 0, sumSquares: 0 }
  const b = { n: 0, sum: 0, sumSquares: 0 }
  const raw = scale === 'raw'
  return {
    add: (onB, random) => {
      const log = random.normal() + (onB ? Math.log(effect) : 0)
      const value = raw ? Math.exp(log) : log
      const sample = onB ? b : a
      sample.n += 1
      sample.sum += value
      sample.sumSquares += value * value
      if (!onB) return false
      const difference = stratifiedDifference([{ a, b, share }], raw ? 1 + margin : 1, raw ? 0 : Math.log1p(margin))
      return logEvidenceAbove(difference, alpha) >= alarmAt
    },
  }
}

/** Assignment at an actual share, tested against the intended one. */
export function ratioDetector(intended: number): Detector {
  const counts = { a: 0, b: 0, share: intended }
  return {
    add: (onB) => {
      counts[onB ? 'b' : 'a'] += 1
      return logEvalueRatioMismatch([counts]) >= alarmAt
    },
  }
}

const classShares = [0.5, 0.2, 0.15, 0.1, 0.05] as const
const classNames = classShares.map((_, index) => String(index))

/** Five output classes; the treatment gives `moved` of the units of the first class to the last. */
export function classDetector(share: number, moved: number): Detector {
  const stratum = { a: {} as Record<string, number>, b: {} as Record<string, number>, share }
  return {
    add: (onB, random) => {
      const counts = onB ? stratum.b : stratum.a
      let left = random.uniform()
      let index = classShares.findIndex((part) => {
        left -= part
        return left < 0
      })
      // The upper end of the first class's part of [0, 1) goes to the last class.
      if (onB && index === 0 && left >= -moved) index = classShares.length - 1
      counts[index] = (counts[index] ?? 0) + 1
      return onB && logEvalueMultinomialShift([stratum], classNames) >= alarmAt
    },
  }
}

export interface Found {
  /** Streams that alarmed within the looks. */
  readonly alarms: number
  readonly streams: number
  /** Treatment units at the median and the 90th percentile alarm; Infinity where fewer streams alarmed. */
  readonly median: number
  readonly p90: number
}

/** Feeds streams with the seeds 1 to `streams` until the alarm or `looks` units of the treatment, a look after each. */
export function runStreams(
  setting: { readonly share: number; readonly streams: number; readonly looks: number },
  detectorOf: () => Detector,
): Found {
  const found: number[] = []
  for (let seed = 1; seed <= setting.streams; seed += 1) {
    const random = randomFrom(seed)
    const detector = detectorOf()
    let treated = 0
    while (treated < setting.looks) {
      const onB = random.uniform() < setting.share
      treated += Number(onB)
      if (!detector.add(onB, random)) continue
      found.push(treated)
      break
    }
  }
  found.sort((left, right) => left - right)
  const at = (part: number): number => found[Math.floor(part * setting.streams)] ?? Number.POSITIVE_INFINITY
  return { alarms: found.length, streams: setting.streams, median: at(0.5), p90: at(0.9) }
}
