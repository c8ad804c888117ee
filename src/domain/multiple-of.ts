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

/**
 * Whether a number is a whole multiple of another, as decimals: 19.99 is one of 0.01, though the quotient of the two
 * doubles is none. Powers of ten of doubles lie between -324 and 308, so the work is bounded.
 */
export function isMultipleOf(value: number, divisor: number): boolean {
  if (!Number.isFinite(value) || !Number.isFinite(divisor)) return false
  const [a, b] = [decimalOf(value), decimalOf(divisor)]
  const power = Math.min(a.power, b.power)
  const scaled = ({ digits, power: own }: Decimal): bigint => digits * 10n ** BigInt(own - power)
  return scaled(b) !== 0n && scaled(a) % scaled(b) === 0n
}
