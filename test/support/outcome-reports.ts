import { ArmFold, type ScoredSuite } from '../../src/domain/arm-fold'
import { ComparisonFold } from '../../src/domain/comparison-fold'
import type { ArmReport, CaseOutcome, Comparison } from '../../src/domain/evaluation'
import type { Digest } from '../../src/domain/version'

/** All outcomes of one arm at once; see `ArmFold`. */
export function armReport(composite: Digest, outcomes: readonly CaseOutcome[], suite: ScoredSuite): ArmReport {
  const fold = new ArmFold(suite)
  for (const outcome of outcomes) fold.add(outcome)
  return fold.report(composite)
}

/** Both arms on the same cases; undefined where they share none. See `ComparisonFold`. */
export function compareArms(
  candidate: readonly CaseOutcome[],
  incumbent: readonly CaseOutcome[],
  primary: string,
): Comparison | undefined {
  const others = byCase(incumbent)
  const fold = new ComparisonFold(primary)
  for (const [caseId, own] of byCase(candidate)) fold.add(own, others.get(caseId) ?? [])
  return fold.comparison()
}

function byCase(outcomes: readonly CaseOutcome[]): ReadonlyMap<string, readonly CaseOutcome[]> {
  const cases = new Map<string, CaseOutcome[]>()
  for (const outcome of outcomes) {
    const known = cases.get(outcome.caseId)
    if (known) known.push(outcome)
    else cases.set(outcome.caseId, [outcome])
  }
  return cases
}
