/** Median and 90th percentile of treated units to the alarm, of the reference implementation of each formula. */
export interface Delay {
  readonly median: number
  readonly p90?: number
}

const rows: readonly (readonly [
  experiment: string,
  test: string,
  halves: Delay | undefined,
  tenth: Delay | undefined,
])[] = [
  ['errors 1 → 3 %', 'events', { median: 573, p90: 1362 }, { median: 269, p90: 739 }],
  ['errors 1 → 2 %', 'events', { median: 1603, p90: 4215 }, { median: 881, p90: 2334 }],
  ['errors 1 → 3 %', 'events, margin 25 %', { median: 880, p90: 2222 }, { median: 397, p90: 1060 }],
  ['errors 1 → 2 %', 'events, margin 25 %', { median: 3575, p90: 9772 }, { median: 1858, p90: 4616 }],
  ['cost +20 %, σ 1', 'mean', { median: 656, p90: 1572 }, { median: 452, p90: 895 }],
  ['cost +50 %, σ 1', 'mean', { median: 182, p90: 326 }, { median: 146, p90: 222 }],
  ['cost +20 %, σ 1', 'log mean', { median: 400, p90: 932 }, { median: 237, p90: 506 }],
  ['cost +50 %, σ 1', 'log mean', { median: 128, p90: 217 }, { median: 83, p90: 134 }],
  ['cost +20 %, σ 1', 'exceedances', { median: 1723, p90: 4138 }, { median: 855, p90: 2033 }],
  ['cost +50 %, σ 1', 'exceedances', { median: 259, p90: 665 }, { median: 141, p90: 369 }],
  ['5 points to the rarest class', 'multinomial', { median: 674, p90: 1310 }, { median: 348, p90: 721 }],
  ['10 points between big classes', 'multinomial', { median: 331, p90: 783 }, { median: 236, p90: 518 }],
  [
    'errors of 1 % in both, shown below 2 times',
    'certificate',
    { median: 2575, p90: 6230 },
    { median: 1096, p90: 2553 },
  ],
  [
    'errors of 1 % in both, shown below 1.5 times',
    'certificate',
    { median: 7129, p90: 18927 },
    { median: 3252, p90: 7804 },
  ],
]

/** Sample ratio: in the reference, units of both arms; here those of B. */
const ratios: Readonly<Record<number, Delay>> = {
  0.11: { median: 7708 * 0.11, p90: 17647 * 0.11 },
  0.12: { median: 1671 * 0.12, p90: 3991 * 0.12 },
  0.15: { median: 341 * 0.15, p90: 738 * 0.15 },
}

export function referenceDelay(experiment: string, share: number, test: string): Delay | undefined {
  if (test === 'sample ratio') return ratios[share]
  const row = rows.find(([name, watched]) => name === experiment && watched === test)
  return share === 0.5 ? row?.[2] : share === 0.1 ? row?.[3] : undefined
}
