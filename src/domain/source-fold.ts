import type { SourceShare } from './live-evidence'
import type { Totals } from './telemetry-fold'

type Lost = SourceShare['lost'][number]
const arms = ['candidate', 'incumbent'] as const

/**
 * What any one of many sources can have told at most, arm by arm: left out in their stead, it says whether a verdict may
 * rest on one of them. Their sum would be most of the evidence wherever many small sources see the same harm. The arms are
 * apart, since what is lost of the candidate weakens a finding of harm, and what is lost of the incumbent strengthens it.
 */
export function anyOneOf(sources: readonly SourceShare[]): readonly SourceShare[] {
  const [first] = sources
  if (first === undefined) return []
  const name = `one of ${sources.length} others`
  const windows = first.windows.map((_, index) => mostErrors(sources.flatMap((source) => source.windows[index] ?? [])))
  const none = windows.map(() => ({ requests: 0, errors: 0 }))
  return arms.map((arm) => ({
    kind: first.kind,
    name,
    lost: mostOf(sources.flatMap(({ lost }) => lost.filter((row) => row.arm === arm))),
    windows: arm === 'candidate' ? windows : none,
  }))
}

/** The fewest requests go with the most errors: the rate without them is as low as it can be without one of them. */
const mostErrors = (parts: readonly SourceShare['windows'][number][]): SourceShare['windows'][number] => {
  const errors = parts.reduce((most, part) => Math.max(most, part.errors), 0)
  const requests = parts.reduce((fewest, part) => Math.min(fewest, part.requests), Number.POSITIVE_INFINITY)
  return { errors, requests: Math.max(errors, Number.isFinite(requests) ? requests : 0) }
}

function mostOf(rows: readonly Lost[]): readonly Lost[] {
  const found = new Map<string, Lost>()
  for (const row of rows) {
    const id = `${row.environment}/${row.seq}/${row.slice}`
    found.set(id, { ...row, totals: most(found.get(id)?.totals ?? {}, row.totals) })
  }
  return [...found.values()]
}

const momentOf = /^((?:closed|quality)_.+)_(?:n|sum|sumSquares|logSum|logSumSquares)$/

/** The larger of each count. Moments are of one source together, that with more values: a mix would be nobody's mean. */
function most(left: Totals, right: Totals): Totals {
  const found: Record<string, number> = { ...left }
  const nOf = (totals: Totals, name: string) => (totals as Readonly<Record<string, number>>)[name] ?? 0
  for (const [name, value] of Object.entries(right) as [string, number][]) {
    const moments = momentOf.exec(name)?.[1]
    if (moments === undefined) found[name] = Math.max(found[name] ?? 0, value)
    else if (nOf(right, `${moments}_n`) > nOf(left, `${moments}_n`)) found[name] = value
  }
  return found
}
