import { cancellationSignal } from '@temporalio/activity'
import { compileSnapshot } from '../src/domain/compiled-snapshot'
import type { SchemaContent } from '../src/domain/contents'
import { resolve } from '../src/domain/resolve'
import { callEngine } from '../src/engines'
import { endpointOf } from '../src/engines/endpoints'
import { compileSchema } from '../src/kinds/schema-compile'
import { openRelease } from '../src/store/assessor'
import { firstCases, loadCallable, loadSuite, messagesOf } from '../src/store/evaluation-plan'
import { SnapshotBuilder } from '../src/store/snapshots'
import type { SmokeOutcome } from '../workflows/messages'
import type { ReleaseDeps } from './deps'

const maxReasons = 5

/**
 * A few cases of the suite through the staged lane as an application would: resolve from the snapshot, call the pinned
 * engine, check the output against the pinned schema. The calls are paid every time: that the way works is the point.
 */
export async function smokeRelease(
  deps: ReleaseDeps,
  order: { releaseId: string; environment: string },
): Promise<SmokeOutcome> {
  const { store, endpoints } = deps
  const { plan, policy, record } = await openRelease(store, order.releaseId)
  const snapshot = await new SnapshotBuilder(store).build(order.environment, await store.database.now())
  const compiled = compileSnapshot(snapshot)
  const head = await store.ledger.head(order.environment, plan.task)
  const suite = await loadSuite(store.catalog, plan.suite)
  const cases = await firstCases(store.catalog, suite, policy.stage.smokeCases)
  const reasons: string[] = []
  for (const [index, one] of cases.entries()) {
    const place = { task: plan.task, tenant: 'smoke', conversation: `${record.id}-${index}`, startedAt: head?.at ?? 0 }
    const served = resolve(compiled, place)
    if ('skip' in served || served.composite.id !== plan.candidate) {
      reasons.push(
        `case ${one.id}: staging serves ${'skip' in served ? `nothing (${served.skip})` : served.composite.id}`,
      )
      continue
    }
    const callable = await loadCallable(store.catalog, served.composite.id)
    const messages = messagesOf(callable.prompt, suite.content, one.input)
    const endpoint = endpointOf(endpoints, callable.engine.endpoint)
    const answer = await callEngine({ engine: callable.engine, endpoint, messages, signal: cancellationSignal() })
    const fault = callable.schema === undefined ? undefined : outputFault(callable.schema, answer.text)
    if (fault !== undefined) reasons.push(`case ${one.id}: ${fault}`)
  }
  return { passed: reasons.length === 0, reasons: reasons.slice(0, maxReasons) }
}

/** Undefined where the output is JSON that fits. */
function outputFault(schema: SchemaContent, text: string): string | undefined {
  let output: unknown
  try {
    output = JSON.parse(text)
  } catch (error) {
    return `the output is not JSON (${(error as Error).message})`
  }
  const [mismatch] = compileSchema(schema)(output)
  return mismatch && `${mismatch.path || 'the output'} ${mismatch.message}`
}
