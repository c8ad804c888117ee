import { cancellationSignal } from '@temporalio/activity'
import { compileSnapshot } from '../src/domain/compiled-snapshot'
import type { SuiteCase } from '../src/domain/contents'
import { resolve } from '../src/domain/resolve'
import { callEngine } from '../src/engines'
import { endpointOf } from '../src/engines/endpoints'
import type { Endpoints } from '../src/engines/engine'
import { answerRequest, type Pipeline, readReply, sentTo } from '../src/pipeline/pipeline'
import { openRelease } from '../src/store/assessor'
import { firstCases, type LoadedSuite, loadCallable, loadSuite, requestOf } from '../src/store/evaluation-plan'
import { SnapshotBuilder } from '../src/store/snapshots'
import type { SmokeOutcome } from '../workflows/messages'
import type { ReleaseDeps } from './deps'

const maxReasons = 5

/**
 * A few cases of the suite through the staged lane as an application would: resolve from the snapshot, go through the
 * pinned router or engine, check what is answered against the pinned schema and tools, post-process. The calls are paid every time: that the way works is the point.
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
    const { pipeline } = await loadCallable(store.catalog, served.composite.id)
    const fault = await smokeCase(pipeline, { suite, one, endpoints })
    if (fault !== undefined) reasons.push(`case ${one.id}: ${fault}`)
  }
  return { passed: reasons.length === 0, reasons: reasons.slice(0, maxReasons) }
}

interface Smoke {
  readonly suite: LoadedSuite
  readonly one: SuiteCase
  readonly endpoints: Endpoints
}

/** Undefined where the case is answered, and the answer fits. */
async function smokeCase(pipeline: Pipeline, { suite, one, endpoints }: Smoke): Promise<string | undefined> {
  const request = requestOf(pipeline, suite.content, one)
  const outcome = await answerRequest(pipeline, request, (engine, question) => {
    const endpoint = endpointOf(endpoints, engine.endpoint)
    return callEngine({ engine, endpoint, ...sentTo(pipeline, request, question), signal: cancellationSignal() })
  })
  if ('error' in outcome) throw outcome.error
  const [mismatch] = readReply(pipeline, outcome.answer).mismatches
  return mismatch && `${mismatch.path || 'the output'} ${mismatch.message}`
}
