import type { Digest } from '../../src/domain/version'
import { runEvaluation } from '../../src/store/evaluation-run'
import { openStore } from '../../src/store/store'

/** What the process is to run, as its one argument in JSON. */
export interface EvaluatingOrder {
  readonly mongodbUri: string
  readonly database: string
  readonly engineUrl: string
  readonly evaluationId: string
  readonly candidate: Digest
  readonly suite: Digest
  readonly policy: Digest
}

/** An evaluation in a process of its own, for whoever wants to kill it. */
async function main(): Promise<void> {
  const order = JSON.parse(process.argv[2] ?? '') as EvaluatingOrder
  const store = await openStore(order.mongodbUri, order.database)
  const endpoints = { simulated: { url: order.engineUrl } }
  const { evaluationId, candidate, suite, policy } = order
  await runEvaluation({ ...store, endpoints }, { evaluationId, by: 'ann', candidate, suite, policy })
}

void main()
