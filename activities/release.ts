import { activityInfo, cancellationSignal } from '@temporalio/activity'
import { ulid } from 'ulid'
import { planText } from '../src/domain/plan'
import { rolloutEnvironment } from '../src/domain/rollout'
import { assert, SluiceError } from '../src/errors'
import { openRelease, type ReleaseFile } from '../src/store/assessor'
import { runEvaluation } from '../src/store/evaluation-run'
import type { ReleaseRecord } from '../src/store/releases'
import type { Store } from '../src/store/store'
import { assertStands, isSettled, withdraw } from '../src/store/withdrawal'
import type {
  CloseRequest,
  DeliveryOutcome,
  PlanOutcome,
  PlanRequest,
  ReleaseActivities,
  TestOutcome,
  WithdrawRequest,
} from '../workflows/messages'
import { advanceRelease, settleEarlierLanes } from './advance'
import { beating, permanent } from './attempts'
import { type CommunicateActivities, createCommunicateActivities } from './communicate'
import type { ReleaseDeps } from './deps'
import { createNoteSource } from './note-source'
import { hasShadow, shadowRelease } from './shadow'
import { smokeRelease } from './smoke'
import { testFigures } from './test-figures'

const maxTextLength = 8_000
const maxReasons = 10

/** What a release does to the world. Every effect may run twice, or be cut off and start again. */
export function createReleaseEffects(deps: ReleaseDeps): ReleaseActivities {
  const { store } = deps
  const communicate = createCommunicateActivities({ ...deps, source: createNoteSource(store) })
  return {
    planRelease: (request) => planRelease(deps, request),
    testRelease: ({ releaseId }) => testRelease(deps, releaseId),
    advanceRelease: (request) => advanceRelease(store, request, activityInfo().scheduledTimestampMs),
    shadowRelease: ({ releaseId }) => shadowRelease(store, releaseId),
    smokeRelease: (request) => smokeRelease(deps, request),
    settleRelease: ({ releaseId }) => settleEarlierLanes(store, releaseId),
    withdrawRelease: (request) => withdrawRelease(store, request),
    communicateRelease: ({ releaseId }) => tell(store, communicate, { releaseId, kind: 'release' }),
    retractRelease: ({ releaseId }) => retract(store, communicate, releaseId),
    closeRelease: (request) => closeRelease(store, request),
  }
}

const long = new Set<keyof ReleaseActivities>(['testRelease', 'smokeRelease', 'communicateRelease', 'retractRelease'])

/** The effects as activities: the long ones heartbeat, and what will not pass by itself is not tried again. */
export function createReleaseActivities(deps: ReleaseDeps): ReleaseActivities {
  const activities = Object.entries(createReleaseEffects(deps)).map(([name, effect]) => {
    const work = effect as (request: unknown) => Promise<unknown>
    const activity = (request: unknown) => permanent(() => work(request))
    return [
      name,
      long.has(name as keyof ReleaseActivities) ? (request: unknown) => beating(() => activity(request)) : activity,
    ]
  })
  return Object.fromEntries(activities) as ReleaseActivities
}

/** A plan is made once: an attempt that comes again finds it and answers the same. */
async function planRelease(deps: Pick<ReleaseDeps, 'store' | 'endpoints'>, request: PlanRequest): Promise<PlanOutcome> {
  const { store } = deps
  const { releaseId, request: asked, author, workflowId, runId } = request
  const draft = { id: releaseId || ulid(), task: asked.task, request: asked, author, workflowId, runId }
  const record = await store.releases.adopt(draft)
  try {
    if (record.plan === undefined) await makePlan(deps, record)
  } catch (error) {
    if (!(error instanceof SluiceError) || error.retryable) throw error
    return { kind: 'refused', releaseId: record.id, code: error.code, message: error.message }
  }
  return planned(await openRelease(store, record.id))
}

async function makePlan(
  { store, endpoints }: Pick<ReleaseDeps, 'store' | 'endpoints'>,
  { id, request }: ReleaseRecord,
): Promise<void> {
  const plan = await store.planner.plan(request, endpoints)
  const digest = await store.releases.putPlan(plan)
  await store.database.transact(async (session) => {
    // An attempt that was given up may come late: what a later one planned, and the workflow goes by, stands.
    if ((await store.releases.get(id, session)).plan !== undefined) return
    const decision = {
      releaseId: id,
      by: 'sluice',
      kind: 'plan' as const,
      reason: 'planned',
      evidence: { plan: digest },
    }
    await store.releases.decide(decision, session)
    await store.releases.update(id, { plan: digest, candidate: plan.candidate }, session)
  })
}

function planned({ record, plan, policy }: ReleaseFile): PlanOutcome {
  assert(record.plan !== undefined, 'an opened release has a plan')
  return {
    kind: 'planned',
    releaseId: record.id,
    digest: record.plan,
    candidate: plan.candidate,
    risk: plan.risk,
    environment: rolloutEnvironment(policy),
    steps: plan.steps,
    ...(hasShadow(plan, policy) ? { shadow: true as const } : {}),
    leadMs: policy.leadMs,
    deadlineMs: policy.deadlineMs,
    onDeadline: policy.onDeadline,
    approvals: policy.approvals,
    text: planText(plan).slice(0, maxTextLength),
  }
}

async function testRelease(deps: ReleaseDeps, releaseId: string): Promise<TestOutcome> {
  const { store } = deps
  const { plan, record } = await openRelease(store, releaseId)
  await store.releases.update(releaseId, { stage: 'test' })
  const incumbent = plan.lanes.at(-1)?.incumbent
  const order = {
    evaluationId: releaseId,
    by: record.author,
    candidate: plan.candidate,
    suite: plan.suite,
    policy: plan.policy,
    ...(incumbent === undefined ? {} : { incumbent }),
  }
  const verdict = await runEvaluation({ ...store, endpoints: deps.endpoints }, order, { signal: cancellationSignal() })
  const { reasons } = verdict
  const evidence = { evaluation: verdict.id, verdict: verdict.verdict, checks: verdict.report.checks }
  await store.releases.decideOnce({
    releaseId: record.id,
    by: 'sluice',
    kind: 'test',
    reason: reasons.join('; ') || verdict.verdict,
    evidence,
  })
  return { verdict: verdict.verdict, reasons: reasons.slice(0, maxReasons), figures: testFigures(verdict.report) }
}

async function withdrawRelease(store: Store, request: WithdrawRequest): Promise<{ lanes: readonly string[] }> {
  const { releaseId, by, reason, penalise } = request
  const file = await openRelease(store, releaseId)
  return { lanes: await withdraw(store, file, { by, reason, penalise }) }
}

async function tell(
  store: Store,
  communicate: CommunicateActivities,
  order: { releaseId: string; kind: 'release' | 'retraction' },
): Promise<DeliveryOutcome> {
  const { releaseId } = order
  if (order.kind === 'release') await beginToTell(store, releaseId)
  await communicate.enqueueNotes(order)
  const { delivered, failed, pending } = await communicate.deliverNotes({ releaseId })
  if (pending > 0) throw new Error(`${pending} notes are still under way`)
  return { delivered, failed }
}

/**
 * The stage is written before it is asked whether the release still stands: whoever takes it back afterwards sees the
 * stage and takes back what an attempt that was given up may yet write.
 */
async function beginToTell(store: Store, releaseId: string): Promise<void> {
  await store.releases.update(releaseId, { stage: 'communicate' })
  if (await isSettled(store, await openRelease(store, releaseId))) return
  throw new SluiceError('lane_moved', 'The release was taken back before anybody was told of it.')
}

/** Only what was told, or may be about to be, is taken back. */
async function retract(store: Store, communicate: CommunicateActivities, releaseId: string): Promise<DeliveryOutcome> {
  const told = await store.outbox.list({ release: releaseId, limit: 1 })
  const { stage } = await store.releases.get(releaseId)
  if (told.length === 0 && stage !== 'communicate') return { delivered: 0, failed: 0 }
  return tell(store, communicate, { releaseId, kind: 'retraction' })
}

/**
 * A run that never got a record of its own (its id belonged to another one) has nothing to close. What was taken back since it
 * settled, by somebody who could not tell its workflow, is not done: `lane_moved`, and the workflow goes back.
 */
async function closeRelease(store: Store, request: CloseRequest): Promise<void> {
  const { releaseId, runId, phase, reason, approvals, notes } = request
  const record = await store.releases.find(releaseId)
  if (record === undefined || (record.runId !== undefined && record.runId !== runId)) return
  const decision = {
    releaseId,
    by: 'sluice',
    kind: 'close' as const,
    reason: `${phase}: ${reason}`,
    evidence: { approvals, notes },
  }
  await store.shadows.end(releaseId)
  const file = phase.startsWith('done') ? await openRelease(store, releaseId) : undefined
  await store.database.transact(async (session) => {
    if (file !== undefined) await assertStands(store, file, session)
    const { endedAt = await store.database.now(session) } = await store.releases.get(releaseId, session)
    await store.releases.decideOnce(decision, session)
    await store.releases.update(releaseId, { phase, reason, endedAt }, session)
  })
}
