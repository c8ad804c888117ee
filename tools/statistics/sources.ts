import type { Random } from '../random'

/** Taken once: a test runner's sandbox looks `Math` up anew at every use, which would double the simulation's time. */
const { log, exp, floor, min } = Math

/** One unit as the tests see it. Reused from unit to unit, so that a simulation allocates nothing. */
export interface Unit {
  /** A 0/1 fact: an error, or a value above the control's true 95th percentile. */
  event: boolean
  value: number
  /** Natural logarithm of the value. */
  log: number
  /** Index of its output class. */
  kind: number
}

/** Fills in the next unit of a stream. `onB` decides whether the treatment's harm applies to it. */
export type Draw = (onB: boolean, unit: Unit) => void

/** A world to draw units from; called once a stream, since some worlds have a memory. */
export type Source = (random: Random) => Draw

const z95 = 1.6448536269514722

export const bernoulli =
  (rate: number, effect = 1): Source =>
  (random) =>
  (onB, unit) => {
    unit.event = random.uniform() < (onB ? rate * effect : rate)
  }

/** Lognormal values; the treatment's are `effect` times as large, with a spread of `spreadB` where it is named. */
export const lognormal =
  (spread: number, effect = 1, spreadB = spread): Source =>
  (random) => {
    const shift = log(effect)
    return (onB, unit) => {
      unit.log = onB ? spreadB * random.normal() + shift : spread * random.normal()
      unit.value = exp(unit.log)
      unit.event = unit.log > spread * z95
    }
  }

/** Pareto values from 1 on: finite variance above a `shape` of 2, no third moment below 3. */
export const pareto =
  (shape: number): Source =>
  (random) =>
  (_onB, unit) => {
    unit.log = -log(1 - random.uniform()) / shape
    unit.value = exp(unit.log)
    unit.event = unit.log > log(20) / shape
  }

/** A level that wanders for all units alike (AR(1), about two hundred units long): load, time of day, a slow provider. */
export const autocorrelated =
  (rate: number): Source =>
  (random) => {
    const memory = 0.995
    const fresh = Math.sqrt(1 - memory * memory)
    let level = random.normal()
    return (_onB, unit) => {
      level = memory * level + fresh * random.normal()
      unit.event = random.uniform() < min(0.5, rate * exp(level - 0.5))
      unit.log = level + random.normal()
      unit.value = exp(unit.log)
    }
  }

/** Fifty tenants, a few of them large, each with its own rate of errors and its own level of costs. */
export const tenants =
  (rate: number): Source =>
  (random) => {
    const count = 50
    const levels = Array.from({ length: count }, () => random.normal())
    return (_onB, unit) => {
      // A power of a uniform number: the first tenants have most of the traffic.
      const u = random.uniform()
      const level = levels[floor(count * u * u * u)] ?? 0
      unit.event = random.uniform() < min(0.5, rate * exp(1.2 * level - 0.72))
      unit.log = level + random.normal()
      unit.value = exp(unit.log)
    }
  }

/** What a conversation earns: nothing in most of them, a lognormal amount in `rate` of them; of B's buyers so many stay. */
export const purchases =
  (rate: number, staying = 1): Source =>
  (random) =>
  (onB, unit) => {
    const buys = random.uniform() < (onB ? rate * staying : rate)
    unit.value = buys ? exp(random.normal()) : 0
  }

const classShares = [0.5, 0.2, 0.15, 0.1, 0.05] as const
export const classNames = classShares.map((_, index) => String(index))

/** Five output classes; the treatment gives `moved` of all units from the first class to another one. */
export const classes =
  (moved = 0, to = 4): Source =>
  (random) =>
  (onB, unit) => {
    let left = random.uniform()
    let index = 0
    while (index < classShares.length - 1 && left >= (classShares[index] ?? 1)) {
      left -= classShares[index] ?? 1
      index += 1
    }
    // The lower end of the first class's part of [0, 1) moves.
    unit.kind = onB && index === 0 && left < moved ? to : index
  }

/** A numeric output: normal around 4 with deviation 1, as a score is; the treatment's is higher by `shift`. */
export const scores =
  (shift = 0): Source =>
  (random) =>
  (onB, unit) => {
    unit.value = 4 + random.normal() + (onB ? shift : 0)
  }
