import type { ServedRow } from '../messages'
import { binomialPValue } from './binomial'
import type { Claim } from './claim'

/** A right allocation fails this claim once in a million strata. */
const errorRate = 1e-6

export const shares: Claim = {
  text: 'Served shares fit the intended ones',
  check({ conversations, entries }) {
    const strata = new Map<string, { share: number; candidate: number; all: number }>()
    for (const served of conversations.values()) {
      const first = served.find(({ slice }) => slice >= 0)
      if (first === undefined) continue
      const share = shareOf(first)
      if (share === undefined) continue
      const key = `entry ${first.seq}, slice ${first.slice}`
      const before = strata.get(key) ?? { share, candidate: 0, all: 0 }
      const candidate = before.candidate + (first.arm === 'candidate' ? 1 : 0)
      strata.set(key, { share, candidate, all: before.all + 1 })
    }
    const judged = [...strata].map(([name, { share, candidate, all }]) => ({
      text: `${name}: ${candidate} of ${all} for ${share * 100} %`,
      pValue: binomialPValue(candidate, all, share),
    }))
    const faults = judged.filter(({ pValue }) => pValue < errorRate).map(({ text }) => text)
    const total = [...strata.values()].reduce((sum, { all }) => sum + all, 0)
    const least = judged.reduce((low, { pValue }) => Math.min(low, pValue), 1)
    const figures = `${total} conversations in ${strata.size} strata, smallest p-value ${least.toPrecision(2)} (limit ${errorRate})`
    return { figures, faults }

    function shareOf({ seq, slice }: ServedRow): number | undefined {
      const basisPoints = entries.find((entry) => entry.seq === seq)?.exposure[slice]?.basisPoints
      return basisPoints === undefined ? undefined : basisPoints / 10_000
    }
  },
}
