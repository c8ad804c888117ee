import { logEvidenceAbove, logEvidenceBelow } from '../../src/stats/asymptotic-confidence-sequence'
import { stratifiedDifference } from '../../src/stats/mean-difference'
import { logEvalueMultinomialShift } from '../../src/stats/multinomial-shift'
import { logEvidenceNumericShift } from '../../src/stats/numeric-shift'
import { logEvalueRatioAbove, logEvalueRatioBelow } from '../../src/stats/rate-ratio'
import { logEvalueRatioMismatch } from '../../src/stats/sample-ratio'
import { classNames, type Unit } from './sources'

/** Takes the units of one stream one by one and tells whether it alarms now. A look is taken at each unit of B. */
export type Watcher = (onB: boolean, unit: Unit) => boolean

export const alpha = 0.05
const alarmAt = -Math.log(alpha)

interface Moments {
  n: number
  sum: number
  sumSquares: number
}

const empty = (): Moments => ({ n: 0, sum: 0, sumSquares: 0 })

export function take(sample: Moments, value: number): void {
  sample.n += 1
  sample.sum += value
  sample.sumSquares += value * value
}

/** The conditional binomial e-process. Evidence rises only with an event of B. */
export function events(share: number, margin = 0): Watcher {
  const counts = { a: 0, b: 0, share }
  return (onB, { event }) => {
    if (!event) return false
    counts[onB ? 'b' : 'a'] += 1
    return onB && logEvalueRatioAbove([counts], 1 + margin) >= alarmAt
  }
}

/** Its mirror, which certifies that B has at most `ratio` times the events. Evidence rises only with an event of A. */
export function certificate(share: number, ratio: number): Watcher {
  const counts = { a: 0, b: 0, share }
  return (onB, { event }) => {
    if (!event) return false
    counts[onB ? 'b' : 'a'] += 1
    return !onB && logEvalueRatioBelow([counts], ratio) >= alarmAt
  }
}

/** The confidence sequence of the mean, of values or of their logarithms. */
export function mean(share: number, scale: 'raw' | 'log', margin = 0): Watcher {
  const stratum = { a: empty(), b: empty(), share }
  const strata = [stratum]
  const raw = scale === 'raw'
  const factor = raw ? 1 + margin : 1
  const offset = raw ? 0 : Math.log1p(margin)
  return (onB, unit) => {
    take(onB ? stratum.b : stratum.a, raw ? unit.value : unit.log)
    return onB && logEvidenceAbove(stratifiedDifference(strata, factor, offset), alpha) >= alarmAt
  }
}

/** The same for values of which fewer are worse. */
export function meanBelow(share: number): Watcher {
  const stratum = { a: empty(), b: empty(), share }
  return (onB, { value }) => {
    take(onB ? stratum.b : stratum.a, value)
    return onB && logEvidenceBelow(stratifiedDifference([stratum], 1), alpha) >= alarmAt
  }
}

export function multinomial(share: number): Watcher {
  const stratum = { a: {} as Record<string, number>, b: {} as Record<string, number>, share }
  return (onB, { kind }) => {
    const counts = onB ? stratum.b : stratum.a
    counts[kind] = (counts[kind] ?? 0) + 1
    return onB && logEvalueMultinomialShift([stratum], classNames) >= alarmAt
  }
}

export function numeric(share: number): Watcher {
  const stratum = { a: empty(), b: empty(), share }
  return (onB, { value }) => {
    take(onB ? stratum.b : stratum.a, value)
    return onB && logEvidenceNumericShift([stratum], alpha) >= alarmAt
  }
}

/** A look at every unit of either arm: the sample ratio is about all of them. */
export function sampleRatio(intended: number): Watcher {
  const counts = { a: 0, b: 0, share: intended }
  return (onB) => {
    counts[onB ? 'b' : 'a'] += 1
    return logEvalueRatioMismatch([counts]) >= alarmAt
  }
}
