import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** What a benchmark found, as a table. */
export interface Finding {
  readonly benchmark: string
  readonly about: string
  readonly rows: readonly Row[]
}

export type Row = Readonly<Record<string, string | number>>

/** Takes one sample, in the unit of its benchmark. */
export type Side = () => number | Promise<number>

export interface Turns<Name extends string> {
  readonly sides: { readonly [name in Name]: Side }
  readonly rounds: number
  /** Rounds before those, which are not counted. */
  readonly warmUp: number
}

/** The samples of each side, round by round. */
export type Samples<Name extends string> = { readonly [name in Name]: readonly number[] }

/**
 * Every side once a round, in one process, beginning with another side each time: whatever else the machine does falls
 * on all of them.
 */
export async function inTurns<Name extends string>({ sides, rounds, warmUp }: Turns<Name>): Promise<Samples<Name>> {
  const names = Object.keys(sides) as Name[]
  const samples = Object.fromEntries(names.map((name): [Name, number[]] => [name, []])) as Record<Name, number[]>
  for (let round = 0; round < warmUp + rounds; round++) {
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(round + turn) % names.length] as Name
      const sample = await sides[name]()
      if (round >= warmUp) samples[name].push(sample)
    }
  }
  return samples
}

export function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN
}

const parts = 5

/** `1.23 (1.19–1.31)`: the median ratio of the rounds, and the least and greatest median over the fifths of the run. */
export function ratioText(ours: readonly number[], theirs: readonly number[]): string {
  const ratios = ours.map((sample, round) => sample / (theirs[round] ?? Number.NaN))
  const size = Math.ceil(ratios.length / parts)
  const medians = Array.from({ length: Math.ceil(ratios.length / size) }, (_, part) =>
    median(ratios.slice(part * size, (part + 1) * size)),
  )
  return `${median(ratios).toFixed(2)} (${Math.min(...medians).toFixed(2)}–${Math.max(...medians).toFixed(2)})`
}

setFlagsFromString('--expose-gc')
/** Frees what nothing holds, so that what is held can be measured. */
export const collectGarbage = runInNewContext('gc') as () => void

const heapRounds = 9
const heapWarmUp = 9

/** Bytes that one of `calls` calls takes from the heap: the median, as now and then a collection comes in between. */
export function bytesPerCall(calls: number, prepare: () => () => void): number {
  const samples: number[] = []
  for (let round = 0; round < heapWarmUp + heapRounds; round++) {
    const work = prepare()
    collectGarbage()
    const before = process.memoryUsage().heapUsed
    work()
    const bytes = (process.memoryUsage().heapUsed - before) / calls
    if (round >= heapWarmUp) samples.push(bytes)
  }
  return Math.round(median(samples))
}

/** No figure here deserves more digits. */
export const rounded = (value: number): number => Number(value.toPrecision(3))
