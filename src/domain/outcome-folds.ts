import { type GroupSums, quantileOf } from '../stats/grouped'
import type { ArmReport, CaseOutcome } from './evaluation'

/** Counts of the groups that were met, and sums of several figures over them. */
export class GroupFold {
  private readonly places = new Map<string, number>()
  private readonly counts: number[] = []
  private readonly sums = new Map<string, number[]>()

  /** Every outcome gives every figure. */
  add(group: string, figures: Readonly<Record<string, number>>): void {
    const place = this.places.get(group) ?? this.places.size
    this.places.set(group, place)
    this.counts[place] = (this.counts[place] ?? 0) + 1
    for (const [name, value] of Object.entries(figures)) {
      const sums = this.sums.get(name) ?? []
      this.sums.set(name, sums)
      sums[place] = (sums[place] ?? 0) + value
    }
  }

  of(name: string): GroupSums {
    return { counts: this.counts, sums: this.sums.get(name) ?? [] }
  }
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
