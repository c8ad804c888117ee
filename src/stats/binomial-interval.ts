export interface Interval {
  readonly lower: number
  readonly upper: number
}

/**
 * Wilson's score interval (JASA 1927) for `hits` of `trials`, at `z` standard deviations (1.96: 95 %). One look only: it
 * is not valid under repeated looks. [0, 1] where nothing was tried.
 */
export function wilsonInterval(hits: number, trials: number, z = 1.959963984540054): Interval {
  if (!(trials > 0)) return { lower: 0, upper: 1 }
  const rate = hits / trials
  const scale = 1 + (z * z) / trials
  const centre = (rate + (z * z) / (2 * trials)) / scale
  const half = (z * Math.sqrt((rate * (1 - rate)) / trials + (z * z) / (4 * trials * trials))) / scale
  return { lower: Math.max(0, centre - half), upper: Math.min(1, centre + half) }
}

/**
 * The lower end of the one-sided exact interval (Clopper and Pearson, Biometrika 1934) for `hits` of `trials`: a share below
 * it would give so many hits with probability at most `alpha`.
 */
export function clopperPearsonLower(hits: number, trials: number, alpha: number): number {
  if (!(hits > 0)) return 0
  let low = 0
  let high = hits / trials
  for (let step = 0; step < bisections; step += 1) {
    const middle = (low + high) / 2
    if (atLeast(hits, trials, middle) <= alpha) low = middle
    else high = middle
  }
  return low
}

const bisections = 60

/** P(X ≥ hits) of a binomial, summed from the largest count down, which is the smallest term first. */
function atLeast(hits: number, trials: number, probability: number): number {
  let term = probability ** trials
  let sum = term
  for (let count = trials; count > hits; count -= 1) {
    term *= (count / (trials - count + 1)) * ((1 - probability) / probability)
    sum += term
  }
  return sum
}
