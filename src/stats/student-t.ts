import { logGamma } from './log-gamma'

const tiny = 1e-300
const maxTerms = 400

/** Continued fraction of the incomplete beta function by Lentz's method (Numerical Recipes, 3rd ed., 6.4). */
function betaFraction(x: number, a: number, b: number): number {
  const clear = (value: number) => (Math.abs(value) < tiny ? tiny : value)
  let c = 1
  let d = 1 / clear(1 - ((a + b) * x) / (a + 1))
  let result = d
  for (let m = 1; m <= maxTerms; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 / clear(1 + even * d)
    c = clear(1 + even / c)
    result *= d * c
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / clear(1 + odd * d)
    c = clear(1 + odd / c)
    result *= d * c
    if (Math.abs(d * c - 1) < 1e-15) break
  }
  return result
}

/** Regularised incomplete beta function, for x in [0, 1]; about 1e-12 relative. */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0
  if (x >= 1) return 1
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x))
  const direct = x < (a + 1) / (a + b + 2)
  return direct ? (front * betaFraction(x, a, b)) / a : 1 - (front * betaFraction(1 - x, b, a)) / b
}

/** P(T ≤ t) of Student's distribution with `freedom` degrees of freedom. */
export function studentCdf(t: number, freedom: number): number {
  if (t === Number.POSITIVE_INFINITY) return 1
  if (t === Number.NEGATIVE_INFINITY) return 0
  const tail = incompleteBeta(freedom / (freedom + t * t), freedom / 2, 0.5) / 2
  return t > 0 ? 1 - tail : tail
}

/** The t with P(T ≤ t) = p, for p in (0, 1), by bisection to about 1e-10. */
export function studentQuantile(p: number, freedom: number): number {
  let low = -1
  let high = 1
  while (studentCdf(low, freedom) > p && low > -1e12) low *= 2
  while (studentCdf(high, freedom) < p && high < 1e12) high *= 2
  for (let step = 0; step < 200 && high - low > 1e-10 * Math.max(1, Math.abs(low)); step += 1) {
    const middle = (low + high) / 2
    if (studentCdf(middle, freedom) < p) low = middle
    else high = middle
  }
  return (low + high) / 2
}
