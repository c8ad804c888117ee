import { randomUUID } from 'node:crypto'
import type { ArmReport, EvaluationReport, EvaluationVerdict } from '../../src/domain/evaluation'
import type { Digest } from '../../src/domain/version'
import type { Store } from '../../src/store/store'

/** Puts a verdict with an accuracy in force; answers the id of its evaluation. */
export async function scored(
  store: Store,
  key: { readonly candidate: Digest; readonly suite: Digest; readonly policy: Digest },
  [verdict, mean]: readonly [EvaluationVerdict, number],
): Promise<string> {
  const accuracy = { mean, lower: mean - 0.05, upper: mean + 0.05 }
  const arm = { composite: key.candidate, accuracy, engines: [] as ArmReport['engines'] } as ArmReport
  const evaluationId = randomUUID()
  const report = { suite: key.suite, candidate: arm } as EvaluationReport
  await store.evidence.record({ ...key, verdict, reasons: [], shifting: false, report, evaluationId })
  return evaluationId
}
