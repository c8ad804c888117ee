/**
 * Evidence is held as a natural logarithm: e-values overflow a double after a few thousand events.
 * Results are clamped to this size, so that nothing downstream ever meets an infinity.
 */
const logLimit = 1e300

/** Clamps to ±1e300; anything that is no number becomes 0, which is the logarithm of "no evidence". */
export function finiteLog(value: number): number {
  if (value > logLimit) return logLimit
  if (value >= -logLimit) return value
  // What is no number fails every comparison.
  return value < -logLimit ? -logLimit : 0
}

/** log of the arithmetic mean of exp(values): the e-value of a mixture with equal weights. 0 for an empty list. */
export const logMeanExp = (values: readonly number[]): number =>
  values.length === 0 ? 0 : finiteLog(logSumExp(values) - Math.log(values.length))

/** log of the sum of exp(values), which hold the logarithms of a mixture's weights. 0 for an empty list. */
export function logSumExp(values: readonly number[]): number {
  if (values.length === 0) return 0
  const largest = Math.max(...values)
  if (!Number.isFinite(largest)) return finiteLog(largest)
  let sum = 0
  for (const value of values) sum += Math.exp(value - largest)
  return finiteLog(largest + Math.log(sum))
}

/** exp(value), at most 1e300: an e-value that can be printed and written as JSON. */
export const evalueOf = (logEvalue: number): number => Math.min(1e300, Math.exp(logEvalue))
