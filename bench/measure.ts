import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** What a benchmark found: a table for people, the same for programs. */
export interface Finding {
  readonly benchmark: string
  readonly about: string
  readonly rows: readonly Readonly<Record<string, string | number>>[]
}

export type Row = Finding['rows'][number]

/** Nearest rank; `share` 0..1. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export const median = (values: readonly number[]): number => quantile(values, 0.5)

/** Two sides measured in turns, so that whatever else the machine does falls on both. */
export interface Comparison {
  /** Medians over the rounds, in the unit of the samples. */
  readonly ours: number
  readonly theirs: number
  /** Median of ours ÷ median of theirs; its lowest and highest value over tenths of the run. */
  readonly ratio: number
  readonly spread: readonly [low: number, high: number]
}

export interface Sides {
  readonly rounds: number
  /** Each answers what it cost or achieved; the first rounds warm up and are not counted. */
  readonly ours: () => number | Promise<number>
  readonly theirs: () => number | Promise<number>
  readonly warmUp: number
}

/** A, B, B, A, A, B, …: neither side always comes second. */
export async function compare({ rounds, warmUp, ours, theirs }: Sides): Promise<Comparison> {
  const pairs: [ours: number, theirs: number][] = []
  for (let round = 0; round < rounds + warmUp; round++) {
    const first = round % 2 === 0 ? await ours() : await theirs()
    const second = round % 2 === 0 ? await theirs() : await ours()
    if (round >= warmUp) pairs.push(round % 2 === 0 ? [first, second] : [second, first])
  }
  const tenths = Array.from({ length: Math.min(parts, pairs.length) }, (_, part) =>
    medians(pairs.filter((_, round) => Math.floor((round * parts) / pairs.length) === part)),
  ).map(([left, right]) => left / right)
  const [left, right] = medians(pairs)
  return { ours: left, theirs: right, ratio: left / right, spread: [Math.min(...tenths), Math.max(...tenths)] }
}

const parts = 10

const medians = (pairs: readonly (readonly [number, number])[]): [number, number] => [
  median(pairs.map(([left]) => left)),
  median(pairs.map(([, right]) => right)),
]

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const heapRounds = 25

/** Bytes that one of `calls` calls leaves on the heap; the median, as now and then a collection runs in between. */
export function bytesPerCall(calls: number, prepare: () => () => void): number {
  const samples: number[] = []
  for (let round = 0; round < heapRounds; round++) {
    const work = prepare()
    collect()
    const before = process.memoryUsage().heapUsed
    work()
    samples.push((process.memoryUsage().heapUsed - before) / calls)
  }
  return median(samples)
}

/** Four significant digits are more than any of these figures deserves. */
export const rounded = (value: number): number => Number(value.toPrecision(4))
export const ratioText = ({ ratio, spread }: Pick<Comparison, 'ratio' | 'spread'>): string =>
  `${ratio.toFixed(2)} (${spread[0].toFixed(2)}–${spread[1].toFixed(2)})`
