import { type GroupSums, quantileOf } from '../stats/grouped'
import type { ArmReport, CaseOutcome } from './evaluation'

/** Counts of the groups that were met, and sums of several figures over them. */
export class GroupFold {
  private readonly places = new Map<string, number>()
  private readonly counts: number[] = []
  private readonly sums = new Map<string, number[]>()
  /** By figure, what is to be taken off the counts of its groups. */
  private readonly missing = new Map<string, number[]>()

  /** A figure that is not named counts as 0; one that is undefined does not count. */
  add(group: string, figures: Readonly<Record<string, number | undefined>>): void {
    const place = this.places.get(group) ?? this.places.size
    this.places.set(group, place)
    this.counts[place] = (this.counts[place] ?? 0) + 1
    for (const [name, value] of Object.entries(figures)) {
      if (value === undefined) addAt(this.missing, name, place, 1)
      else if (value !== 0) addAt(this.sums, name, place, value)
    }
  }

  /** The groups in which the figure was met. */
  of(name: string): GroupSums {
    const [sums, missing] = [this.sums.get(name), this.missing.get(name)]
    const groups = this.counts
      .map((count, place) => ({ count: count - (missing?.[place] ?? 0), sum: sums?.[place] ?? 0 }))
      .filter(({ count }) => count > 0)
    return { counts: groups.map(({ count }) => count), sums: groups.map(({ sum }) => sum) }
  }
}

function addAt(figures: Map<string, number[]>, name: string, place: number, value: number): void {
  const values = figures.get(name) ?? []
  figures.set(name, values)
  values[place] = (values[place] ?? 0) + value
}

/** Tokens and money of the calls that were answered. */
export class UsageFold {
  private calls = 0
  private readonly sums = { input: 0, cached: 0, output: 0, cost: 0, uncached: 0 }

  add({ inputTokens, cachedTokens, outputTokens, costUsd, uncachedCostUsd }: CaseOutcome): void {
    this.calls += 1
    this.sums.input += inputTokens
    this.sums.cached += cachedTokens
    this.sums.output += outputTokens
    this.sums.cost += costUsd
    this.sums.uncached += uncachedCostUsd
  }

  report(): Pick<ArmReport, 'tokens' | 'cost'> {
    const { input, cached, output, cost, uncached } = this.sums
    const mean = (sum: number) => sum / Math.max(1, this.calls)
    return {
      tokens: { inputMean: mean(input), cachedMean: mean(cached), outputMean: mean(output) },
      cost: { totalUsd: cost, meanUsd: mean(cost), uncachedMeanUsd: mean(uncached) },
    }
  }
}

/** Latencies of calls and when they were made: a number a call, nothing else. */
export class LatencyFold {
  private readonly values: number[] = []
  from = Number.POSITIVE_INFINITY
  to = 0

  add({ latencyMs, measuredAt }: CaseOutcome): void {
    this.values.push(latencyMs)
    this.from = Math.min(this.from, measuredAt)
    this.to = Math.max(this.to, measuredAt)
  }

  get count(): number {
    return this.values.length
  }

  quantile(q: number): number | undefined {
    return quantileOf(this.values, q)
  }
}
