/** A finite number exactly as its decimal text says: digits × 10^power. */
interface Decimal {
  readonly digits: bigint
  readonly power: number
}

function decimalOf(value: number): Decimal {
  const [, sign = '', whole = '0', part = '', power = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value)) ?? []
  return { digits: BigInt(sign + whole + part), power: Number(power) - part.length }
}

/** Digits of the same power. Powers of ten of doubles lie between -324 and 308, so the work is bounded. */
function aligned<Name extends string>(decimals: Readonly<Record<Name, Decimal>>): Readonly<Record<Name, bigint>> {
  const entries = Object.entries<Decimal>(decimals)
  const least = Math.min(...entries.map(([, { power }]) => power))
  const scaled = entries.map(([name, { digits, power }]) => [name, digits * 10n ** BigInt(power - least)])
  return Object.fromEntries(scaled) as Record<Name, bigint>
}

/**
 * Whether a number is a whole multiple of another, as decimals: 19.99 is one of 0.01, though the quotient of the two
 * doubles is none.
 */
export function isMultipleOf(value: number, divisor: number): boolean {
  if (!Number.isFinite(value) || !Number.isFinite(divisor)) return false
  const { a, b } = aligned({ a: decimalOf(value), b: decimalOf(divisor) })
  return b !== 0n && a % b === 0n
}

export interface Tolerance {
  /** Largest difference, at least 0. */
  readonly absolute: number
  /** Largest difference as a share of the label, at least 0. */
  readonly relative: number
}

/**
 * Whether a number is within the larger tolerance of its label, as decimals: 1.1 is within 0.1 of 1, though the difference
 * of the two doubles is more.
 */
export function isWithin(value: number, label: number, { absolute, relative }: Tolerance): boolean {
  if (![value, label, absolute, relative].every(Number.isFinite)) return false
  const [wanted, share] = [decimalOf(label), decimalOf(relative)]
  const product = { digits: magnitude(wanted.digits) * share.digits, power: wanted.power + share.power }
  const all = aligned({ value: decimalOf(value), wanted, absolute: decimalOf(absolute), product })
  const difference = magnitude(all.value - all.wanted)
  return difference <= all.absolute || difference <= all.product
}

const magnitude = (digits: bigint): bigint => (digits < 0n ? -digits : digits)
