import type { Ledger } from '../../src/store/ledger'

const author = { by: 'ann', reason: 'for a test' }

/** Lifts whatever is held and vetoed in a lane. */
export async function liftAll(ledger: Ledger, environment: string, task: string): Promise<void> {
  const { hold, vetoes } = await ledger.lane(environment, task)
  if (hold) await ledger.liftHold({ environment, task, ...author })
  for (const { composite: veto } of vetoes) await ledger.liftHold({ environment, task, veto, ...author })
}
