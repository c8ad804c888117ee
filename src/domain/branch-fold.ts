import { shareOfSums } from '../stats/grouped'
import { branchName } from './branch'
import type { BranchReport, CaseOutcome } from './evaluation'
import { GroupFold } from './outcome-folds'

/** Branches that are followed; the cases of any more are counted as others. */
const maxBranches = 200
const others = 'others'

interface Way {
  results: number
  latencyMs: number
  costUsd: number
  readonly shares: GroupFold
}

/** Which ways a router sent the cases of a suite, and how each way fared; no output is kept. */
export class BranchFold {
  private readonly ways = new Map<string, Way>()
  private readonly primary: string

  constructor(primary: string) {
    this.primary = primary
  }

  /** Of an answered case; those without a branch are none of a router. */
  add({ branch, group, scores, unscored = {}, valid, latencyMs, costUsd }: CaseOutcome): void {
    if (branch === undefined) return
    const way = this.wayOf(branchName(branch))
    way.results += 1
    way.latencyMs += latencyMs
    way.costUsd += costUsd
    const accuracy = Object.hasOwn(unscored, this.primary) ? undefined : (scores[this.primary] ?? 0)
    way.shares.add(group, { accuracy, valid: Number(valid) })
  }

  report(): { readonly branches?: readonly BranchReport[] } {
    if (this.ways.size === 0) return {}
    const all = [...this.ways.values()].reduce((sum, { results }) => sum + results, 0)
    const branches = [...this.ways].map(
      ([branch, { results, latencyMs, costUsd, shares }]): BranchReport => ({
        branch,
        results,
        share: results / all,
        accuracy: shareOfSums(shares.of('accuracy')),
        schemaCompliance: shareOfSums(shares.of('valid')),
        latencyMeanMs: latencyMs / results,
        costMeanUsd: costUsd / results,
      }),
    )
    return { branches: branches.sort((a, b) => b.results - a.results || (a.branch < b.branch ? -1 : 1)) }
  }

  private wayOf(branch: string): Way {
    const name = this.ways.has(branch) || this.ways.size < maxBranches ? branch : others
    const way = this.ways.get(name) ?? { results: 0, latencyMs: 0, costUsd: 0, shares: new GroupFold() }
    this.ways.set(name, way)
    return way
  }
}
