import { ApplicationFailure, ApplicationFailureCategory } from '@temporalio/common'
import type { EntryDraft, FrozenThresholds } from '../src/domain/allocation'
import type { Assessment } from '../src/domain/guardrail'
import type { LaneState } from '../src/domain/lane'
import type { Policy } from '../src/domain/policy'
import type { QualityRule } from '../src/domain/quality'
import { type PlannedStep, rolloutEnvironment } from '../src/domain/rollout'
import { type ErrorCode, SluiceError } from '../src/errors'
import { judge, openRelease, type ReleaseFile } from '../src/store/assessor'
import { heardWithinMs } from '../src/store/attendance'
import type { Store } from '../src/store/store'
import { assertOpen } from '../src/store/withdrawal'
import type { AdvanceOutcome, AdvanceRequest } from '../workflows/messages'
import { differenceOf } from './pause-causes'

/** No forward step without a tick of the safety clock younger than this; one of the future is of a clock that jumped. */
const tickMaxAgeMs = 10_000
/** Nor on a judgement that is older when the entry is appended: the database failed over in between, or the process stood still. */
const judgementMaxAgeMs = 10_000
const pollMs = 500
/** Between Temporal, which schedules, and MongoDB, which dates a pause. */
const clockErrorMs = 2_000

/**
 * Not yet: the attempt ends and the next one looks again. Attempts leave no trace in the history, so a step may wait for
 * a week of traffic without making it longer.
 */
export function notYet(what: readonly string[]): ApplicationFailure {
  return ApplicationFailure.create({
    message: `waiting for ${what.join(', ')}`,
    type: 'waiting_for_evidence',
    nonRetryable: false,
    nextRetryDelay: pollMs,
    category: ApplicationFailureCategory.BENIGN,
  })
}

/**
 * The last look is a look: where the safety clock does not tick, or nobody could report, it waits like any other. So no downtime
 * lets a deadline pass on evidence that nobody looked at.
 */
function unlessLast({ isLast }: AdvanceRequest, waitingFor: readonly string[]): AdvanceOutcome {
  if (isLast) return { kind: 'late' }
  throw notYet(waitingFor)
}

type Scheduled = AdvanceRequest & { readonly scheduledAt: number }

/**
 * Judges the evidence of the step in force and appends the next entry with its decision, in one transaction. `scheduledAt`: when the
 * workflow asked for it, in milliseconds since the epoch; attempts that are tried again keep it.
 */
export async function advanceRelease(
  store: Store,
  request: AdvanceRequest,
  scheduledAt: number,
): Promise<AdvanceOutcome> {
  const file = await openRelease(store, request.releaseId)
  try {
    return await advance(store, file, { ...request, scheduledAt })
  } catch (error) {
    return refusal(error, request)
  }
}

async function advance(store: Store, file: ReleaseFile, request: Scheduled): Promise<AdvanceOutcome> {
  const environment = request.step?.environment ?? rolloutEnvironment(file.policy)
  const place = { environment, task: file.plan.task, key: `${file.record.id}/${request.step?.name ?? 'settle'}/append` }
  const lane = await store.ledger.lane(environment, file.plan.task)
  const existing = await store.ledger.find(place)
  if (existing) return { kind: 'appended', seq: existing.seq, verdicts: [] }
  if (request.from?.environment === environment && lane.releaseId !== file.record.id) {
    return { kind: 'moved', cause: lane.baseCause ?? 'nothing' }
  }
  await assertOpen(store, file.record.id)
  await assertWatched(store, file)
  const inRollout = request.from?.environment === rolloutEnvironment(file.policy)
  if (inRollout) await assertAttended(store)
  const baked = inRollout ? await accepting(store, await bakeOver(store, file, lane), lane, request) : file
  const judgedAt = await store.database.now()
  const judged = request.from === undefined ? undefined : await judge(store, baked)
  if (judged && inRollout && !judged.assessment.mayAdvance) return unlessLast(request, judged.assessment.waitingFor)
  if (request.step !== undefined && servesAlready(file, lane)) return passedBy(store, file, request.step, lane)
  const draft = await draftOf(store, file, lane, request)
  return store.database.transact(async (session) => {
    await assertOpen(store, file.record.id, session)
    if ((await store.database.now(session)) - judgedAt > judgementMaxAgeMs) throw notYet(['a judgement of now'])
    const order = {
      ...place,
      draft,
      expectedBase: expectedBase(file, lane),
      policy: file.plan.policy,
      leadMs: file.policy.leadMs,
    }
    const { entry, created } = await store.ledger.forward(order, session)
    if (created) {
      const kind = request.step ? ('advance' as const) : ('settle' as const)
      const evidence = {
        seq: entry.seq,
        environment,
        step: request.step,
        judged: judged && { input: judged.input, assessment: judged.assessment },
      }
      await store.releases.decide(
        { releaseId: file.record.id, kind, by: 'sluice', reason: reasonOf(judged?.assessment), evidence },
        session,
      )
      const step = request.step ? { stage: request.step.stage, step: request.step.name } : {}
      await store.releases.update(file.record.id, { ...step, phase: 'running' }, session)
    }
    return appended(entry.seq, judged?.assessment)
  })
}

/**
 * Says that the bake of the step in force is over. Where its evidence is missing from then on, the safety clock does what
 * the policy says of that: it alone pauses and withdraws, whatever the step clock waits for.
 */
async function bakeOver(store: Store, file: ReleaseFile, { baseSeq: bakedSeq }: LaneState): Promise<ReleaseFile> {
  if (file.record.bakedSeq !== bakedSeq) await store.releases.update(file.record.id, { bakedSeq })
  return { ...file, record: { ...file.record, bakedSeq } }
}

/**
 * The differences of outputs that paused the step in force and that somebody accepted. A pause cancels this activity, and the resume
 * schedules it anew: so whatever paused before it was scheduled was resumed. Attempts that are tried again keep that time.
 */
async function accepting(
  store: Store,
  file: ReleaseFile,
  { baseSeq }: LaneState,
  { scheduledAt }: Scheduled,
): Promise<ReleaseFile> {
  const until = scheduledAt - clockErrorMs
  const accepted = new Set<string>()
  for await (const { by, at, evidence } of store.releases.decisionsOf(file.record.id, 'pause')) {
    const { causes = [] } = evidence as { readonly causes?: readonly string[] }
    const names = by === 'guardrail' && at < until ? causes.map((cause) => differenceOf(cause, baseSeq)) : []
    for (const name of names) if (name !== undefined) accepted.add(name)
  }
  return { ...file, accepted: [...accepted].sort() }
}

/** An earlier environment keeps what only a later one was rolled back from: there is nothing to write there. */
const servesAlready = ({ plan, policy }: ReleaseFile, lane: LaneState): boolean =>
  lane.environment !== rolloutEnvironment(policy) &&
  lane.incumbent === plan.candidate &&
  lane.candidate === undefined &&
  !lane.disabled

async function passedBy(store: Store, file: ReleaseFile, step: PlannedStep, lane: LaneState): Promise<AdvanceOutcome> {
  await store.database.transact(async (session) => {
    await assertOpen(store, file.record.id, session)
    await store.releases.update(file.record.id, { stage: step.stage, step: step.name, phase: 'running' }, session)
  })
  return { kind: 'appended', seq: lane.headSeq, verdicts: [] }
}

function appended(seq: number, assessment: Assessment | undefined): AdvanceOutcome {
  if (assessment === undefined) return { kind: 'appended', seq, verdicts: [] }
  const verdicts = assessment.verdicts.map(({ name, verdict, reason, text }) => ({ name, verdict, reason, text }))
  return { kind: 'appended', seq, verdicts, arms: assessment.arms }
}

const reasonOf = (assessment: Assessment | undefined): string =>
  assessment === undefined
    ? 'the first step needs no live evidence'
    : 'sample and bake are complete and no guardrail failed'

export async function assertWatched(store: Store, file: ReleaseFile): Promise<void> {
  const tick = await store.releases.lastTick(file.record.id)
  if (tick === undefined || Math.abs(tick.ageMs) > tickMaxAgeMs) throw notYet(['a tick of the safety clock'])
}

/**
 * Where no server was there, or the database, applications still hold what they saw meanwhile. Until it is here the bake is
 * not over: the step would go on unseen, or be taken for one without evidence.
 */
export async function assertAttended(store: Store): Promise<void> {
  if ((await store.attendance.ms()) < heardWithinMs)
    throw notYet([`servers to report to, for ${heardWithinMs / 1_000} seconds`])
}

/** What this release last wrote there, else what its plan found there. */
function expectedBase(file: ReleaseFile, lane: LaneState): number {
  if (lane.releaseId === file.record.id) return lane.baseSeq
  return file.plan.lanes.find((planned) => planned.environment === lane.environment)?.baseSeq ?? 0
}

async function draftOf(
  store: Store,
  file: ReleaseFile,
  lane: LaneState,
  request: AdvanceRequest,
): Promise<EntryDraft & { cause: 'step' | 'settle' }> {
  const { plan, record } = file
  const base = { by: 'sluice', reason: plan.request.why, releaseId: record.id, salt: record.id }
  if (request.step === undefined) return { ...base, cause: 'settle', incumbent: plan.candidate, exposure: [] }
  const incumbent = lane.incumbent === undefined ? {} : { incumbent: lane.incumbent }
  const thresholds = await frozenThresholds(store, file, lane)
  return {
    ...base,
    cause: 'step',
    candidate: plan.candidate,
    ...incumbent,
    exposure: request.step.exposure,
    ...(thresholds === undefined ? {} : { thresholds }),
    ...watchedBy(file.policy),
  }
}

/** What applications and the store are to count for the guardrails of the policy, beside what they always do. */
function watchedBy({
  outputs,
  breakers,
  guardrails,
  judges,
}: Policy): Pick<EntryDraft, 'outputs' | 'quality' | 'tenantSpend'> {
  const byTenant = breakers.some((breaker) => breaker.kind === 'budget' && breaker.usdPerTenant !== undefined)
  const fields = outputs?.map(({ field, classes }) => ({ field, ...(classes === undefined ? {} : { classes }) }))
  const quality = guardrails.flatMap(({ metric, custom }): QualityRule[] => {
    if (custom === undefined) return []
    const judged = judges?.some((judge) => judge.metric === metric) ?? false
    return [{ metric, custom, ...(judged ? { judged: true as const } : {}) }]
  })
  return {
    ...(quality.length === 0 ? {} : { quality }),
    ...(fields === undefined ? {} : { outputs: fields }),
    ...(byTenant ? { tenantSpend: true } : {}),
  }
}

/** Frozen before the first exposed request: later steps repeat what the first one carries. */
async function frozenThresholds(
  store: Store,
  file: ReleaseFile,
  lane: LaneState,
): Promise<FrozenThresholds | undefined> {
  const { plan, record } = file
  if (lane.incumbent === undefined) return undefined
  if (lane.releaseId === record.id) return (await store.ledger.head(lane.environment, lane.task))?.thresholds
  const live = await store.telemetry.read.thresholds(lane.environment, lane.task, lane.incumbent)
  return live ?? store.evidence.incumbentThresholds({ composite: lane.incumbent, suite: plan.suite })
}

function refusal(error: unknown, request: AdvanceRequest): AdvanceOutcome {
  if (!(error instanceof SluiceError)) throw error
  switch (error.code) {
    case 'lane_moved':
      return { kind: 'moved', cause: String(error.details.cause) }
    case 'lane_disabled':
      return { kind: 'disabled' }
    case 'undeployable':
      // The suite is run again by a person while the step waits; the release need not go back for it.
      if (error.details.providerChange !== undefined) return unlessLast(request, ['evidence since the provider change'])
      return { kind: 'refused', code: error.code, message: error.message }
    default:
      if (error.retryable) throw error
      return { kind: 'refused', code: error.code, message: error.message }
  }
}

/** What keeps an earlier lane as it is; where the release rolls out it has settled, and that stands. */
const leftAsItIs: readonly string[] = ['lane_moved', 'lane_disabled', 'lane_held', 'vetoed'] satisfies ErrorCode[]

/**
 * After the settle in the rollout environment: the earlier environments follow. One that somebody disabled, held or moved
 * meanwhile stays as it is: it is no reason to take back what settled.
 */
export async function settleEarlierLanes(store: Store, releaseId: string): Promise<void> {
  const file = await openRelease(store, releaseId)
  const last = rolloutEnvironment(file.policy)
  for (const { environment } of file.plan.lanes.toReversed()) {
    if (environment === last) continue
    const lane = await store.ledger.lane(environment, file.plan.task)
    if (lane.releaseId !== releaseId || lane.baseCause === 'settle') continue
    const draft = await draftOf(store, file, lane, { releaseId })
    const place = { environment, task: file.plan.task, key: `${releaseId}/settle/append` }
    const order = { ...place, draft, expectedBase: lane.baseSeq, policy: file.plan.policy, leadMs: file.policy.leadMs }
    try {
      await store.ledger.forward(order)
    } catch (error) {
      if (!(error instanceof SluiceError && leftAsItIs.includes(error.code))) throw error
    }
  }
}
