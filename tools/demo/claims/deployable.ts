import type { Allocation } from '../../../src/domain/allocation'
import type { Facts, ReleaseFacts } from '../facts'
import type { ServedRow } from '../messages'
import { task } from '../scenes'
import { short } from '../wording'
import type { Claim } from './claim'

export const deployable: Claim = {
  text: 'Nothing was ever served without passing evidence from before its entry',
  check(facts) {
    const faults: string[] = []
    const proven = new Map<string, number>()
    for (const entry of facts.entries) {
      const promoted = entry.cause === 'step' ? entry.candidate : entry.cause === 'settle' ? entry.incumbent : undefined
      if (promoted === undefined) continue
      if (hasEvidence(facts, entry, promoted))
        proven.set(promoted, Math.min(proven.get(promoted) ?? entry.seq, entry.seq))
      else faults.push(`entry ${entry.seq} brings ${short(promoted)} without passing evidence`)
    }
    const overrides = overridesOf(facts, faults)
    for (const row of facts.rows) {
      const fault = servedFault(row, { proven, overrides })
      if (fault !== undefined) faults.push(fault)
    }
    const served = new Set(facts.rows.map(({ composite }) => composite))
    const figures = `${served.size} composites served, ${proven.size} proven by releases, ${overrides.size} by an override`
    return { figures, faults }
  },
}

/** A passing verdict on exactly this pair under the release's suite and policy, from before the entry. */
function hasEvidence({ verdicts, story }: Facts, entry: Allocation, candidate: string): boolean {
  const release = Object.values(story).find(({ record }: ReleaseFacts) => record.id === entry.releaseId)
  if (release === undefined) return false
  const { plan } = release
  const incumbent = plan.lanes.at(-1)?.incumbent
  const newest = verdicts
    .filter((one) => one.candidate === candidate && one.incumbent === incumbent && one.at <= entry.at)
    .filter((one) => one.suite === plan.suite && one.policy === plan.policy)
    .sort((left, right) => right.at - left.at)[0]
  return newest?.verdict === 'pass'
}

/** Tenant and composite of every override, where its evidence is older than its entry. */
function overridesOf({ tenantEntries, verdicts }: Facts, faults: string[]): ReadonlySet<string> {
  const found = new Set<string>()
  for (const { tenant, at, state } of tenantEntries) {
    const override = state.tasks[task]?.override
    for (const { composite } of Object.values(override?.pins ?? {})) {
      const passed = verdicts.some(
        (one) =>
          one.candidate === composite && one.incumbent === override?.base && one.verdict === 'pass' && one.at <= at,
      )
      if (passed) found.add(`${tenant} ${composite}`)
      else faults.push(`the override of ${tenant} serves ${short(composite)} without passing evidence`)
    }
  }
  return found
}

interface Proven {
  /** Composite → the first entry that brought it with evidence. */
  readonly proven: ReadonlyMap<string, number>
  readonly overrides: ReadonlySet<string>
}

function servedFault(row: ServedRow, { proven, overrides }: Proven): string | undefined {
  const { tenant, composite, headSeq, requestId } = row
  if (row.reason === 'override') {
    return overrides.has(`${tenant} ${composite}`)
      ? undefined
      : `${requestId}: ${short(composite)} is no override of ${tenant}`
  }
  const from = proven.get(composite)
  if (from !== undefined && from <= headSeq) return undefined
  return `${requestId}: ${short(composite)} was served to ${tenant} and no entry up to ${headSeq} brought it`
}
