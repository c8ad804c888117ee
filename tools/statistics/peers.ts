import type { Unit } from './sources'
import type { Watcher } from './watchers'

/** What others do, on the same streams, to have a scale. None of it is used by the product. */

const z95 = 1.6448536269514722
const leastUnits = 100

/** The textbook test of two rates or two means at the 5 % level, one-sided, looked at after every unit of B. */
export function peekedZ(of: (unit: Unit) => number): Watcher {
  const a = { n: 0, sum: 0, squares: 0 }
  const b = { n: 0, sum: 0, squares: 0 }
  return (onB, unit) => {
    const value = of(unit)
    const sample = onB ? b : a
    sample.n += 1
    sample.sum += value
    sample.squares += value * value
    if (!onB || a.n < leastUnits || b.n < leastUnits) return false
    const meanA = a.sum / a.n
    const meanB = b.sum / b.n
    const variance = (a.squares / a.n - meanA * meanA) / a.n + (b.squares / b.n - meanB * meanB) / b.n
    return variance > 0 && (meanB - meanA) / Math.sqrt(variance) >= z95
  }
}

/** A chi-square test of the class mix at the 5 % level, looked at after every unit of B. */
export function peekedChiSquare(degrees: 4): Watcher {
  const limit = { 4: 9.487729036781154 }[degrees]
  const counts = Array.from({ length: degrees + 1 }, () => [0, 0] as [number, number])
  const totals: [number, number] = [0, 0]
  return (onB, { kind }) => {
    const arm = onB ? 1 : 0
    const row = counts[kind]
    if (row) row[arm] += 1
    totals[arm] += 1
    if (!onB || Math.min(...totals) < leastUnits) return false
    let sum = 0
    for (const [a, b] of counts) {
      const both = a + b
      if (both === 0) continue
      const all = totals[0] + totals[1]
      sum += (a - (both * totals[0]) / all) ** 2 / ((both * totals[0]) / all)
      sum += (b - (both * totals[1]) / all) ** 2 / ((both * totals[1]) / all)
    }
    return sum >= limit
  }
}

const unitsPerPoint = 20
const pointsPerVerdict = 60
const tolerance = 0.25
const z98 = 2.3263478740408408

/**
 * A judge like Kayenta's: points are means of an interval in which B had twenty units; after sixty of them a Mann-Whitney
 * test decides, which fails where the 98 % interval of the shift lies above a quarter of its estimate. Then it begins anew.
 */
export function mannWhitneyJudge(of: (unit: Unit) => number): Watcher {
  const points = { a: [] as number[], b: [] as number[] }
  const sums = { a: 0, b: 0, nA: 0, nB: 0 }
  return (onB, unit) => {
    if (onB) {
      sums.b += of(unit)
      sums.nB += 1
    } else {
      sums.a += of(unit)
      sums.nA += 1
    }
    if (sums.nB < unitsPerPoint || sums.nA === 0) return false
    points.a.push(sums.a / sums.nA)
    points.b.push(sums.b / sums.nB)
    Object.assign(sums, { a: 0, b: 0, nA: 0, nB: 0 })
    if (points.b.length < pointsPerVerdict) return false
    const high = isHigh(points.a, points.b)
    Object.assign(points, { a: [], b: [] })
    return high
  }
}

/** The interval of the shift between two samples of one size, by ranks of their pairwise differences (Hodges-Lehmann). */
function isHigh(a: readonly number[], b: readonly number[]): boolean {
  const n = a.length
  const differences = new Float64Array(n * n)
  b.forEach((right, row) => {
    a.forEach((left, column) => {
      differences[row * n + column] = right - left
    })
  })
  differences.sort()
  const half = (n * n) / 2
  const rank = Math.floor(half - z98 * Math.sqrt((n * n * (2 * n + 1)) / 12))
  const estimate = ((differences[half - 1] ?? 0) + (differences[half] ?? 0)) / 2
  return (differences[rank - 1] ?? 0) > tolerance * Math.abs(estimate)
}

const unitsPerCheck = 100
const failuresAllowed = 5

/** A threshold like Flagger's: a check every hundred units of B against a fixed limit; the fifth failed check in total. */
export function failedChecks(of: (unit: Unit) => number, limit: number): Watcher {
  let sum = 0
  let units = 0
  let failures = 0
  return (onB, unit) => {
    if (!onB) return false
    sum += of(unit)
    units += 1
    if (units < unitsPerCheck) return false
    if (sum / units > limit) failures += 1
    sum = 0
    units = 0
    return failures >= failuresAllowed
  }
}
