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
