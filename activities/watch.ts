import { cancellationDetails, cancellationSignal, heartbeat, log } from '@temporalio/activity'
import type { Assessment } from '../src/domain/guardrail'
import { type LaneState, laneName } from '../src/domain/lane'
import { isClosed } from '../src/domain/release'
import type { Endpoints } from '../src/engines/engine'
import { type Judgement, judge, openRelease, type ReleaseFile } from '../src/store/assessor'
import { type ExamplePair, examplesText, outputExamples } from '../src/store/output-examples'
import type { ReleaseRecord } from '../src/store/releases'
import type { Store } from '../src/store/store'
import { type WatchReads, watchReads } from '../src/store/watch-reads'
import { withdraw } from '../src/store/withdrawal'
import type { WatchOutcome } from '../workflows/messages'
import { Checkpoints } from './checkpoints'
import { PauseCauses } from './pause-causes'
import { startProbing } from './probing'
import { rest } from './rest'

export interface WatchDeps {
  readonly store: Store
  /** Shared by the watches of a process; absent: those of one watch. */
  readonly reads?: WatchReads
  /** Where the providers of the policy's probes are. */
  readonly endpoints: Endpoints
  /** Asks the release to pause; a message to its workflow. */
  readonly askPause: (release: ReleaseRecord, reason: string) => Promise<void>
  /** Whether the workflow still runs; throws where Temporal does not answer. */
  readonly isRunning: (workflowId: string, runId: string) => Promise<boolean>
  readonly tickMs: number
}

/** A look at the release: what it asks for now, and the figures that people see. */
interface Look {
  readonly action: Assessment['action'] | 'ended' | 'gone back'
  readonly reason: string
  /** Who took it back. */
  readonly by?: string
  readonly judgement?: Judgement
}

/**
 * The safety clock of one release: a look a second from before the first exposure to the end of the last bake, paused or
 * not. On a fail it withdraws by itself, so harm is ended within a tick even where nothing orchestrates. When the workflow
 * is gone (terminated), the heartbeat says so and it withdraws too. Looks that fail are tried again at the next tick.
 * Throws where this attempt ends but the watch does not (worker shut down, timed out): the next attempt goes on.
 */
export async function watchRelease(deps: WatchDeps, releaseId: string): Promise<WatchOutcome> {
  const file = await openRelease(deps.store, releaseId)
  const failed = (probe: string, error: unknown) =>
    log.warn('an answer could not be kept', { releaseId, probe, error: String(error) })
  const stopProbing = startProbing({ ...deps, failed }, file)
  try {
    return await watchOpened(deps, file)
  } finally {
    await stopProbing()
  }
}

async function watchOpened(deps: WatchDeps, file: ReleaseFile): Promise<WatchOutcome> {
  const { store, tickMs, reads = watchReads(store) } = deps
  const known = await PauseCauses.open(store.releases, file.record.id)
  const checkpoints = await Checkpoints.open(store.releases, file.record.id)
  let telling: Promise<void> | undefined
  try {
    for (;;) {
      const look = await tryLook(store, reads, file)
      if (look?.action === 'ended') return { kind: 'ended' }
      if (look?.action === 'gone back') return { kind: 'withdrawn', by: look.by ?? 'ledger', reason: look.reason }
      if (look?.action === 'rollback') return await withdrawn(store, file, look)
      if (look?.judgement) known.see(look.judgement)
      // Beside the looks: a Temporal that does not answer must not keep them from harm.
      if (look?.action === 'pause' && telling === undefined) {
        telling = tellPause(deps, file, look, known).finally(() => {
          telling = undefined
        })
      }
      if (look?.judgement) await checkpoints.keep(look.judgement)
      heartbeat(
        look?.judgement
          ? { arms: look.judgement.assessment.arms, waitingFor: look.judgement.assessment.waitingFor }
          : undefined,
      )
      await rest(untilBeatMs(tickMs), cancellationSignal())
      if (cancellationSignal().aborted) return await cancelled(deps, file)
    }
  } finally {
    await telling
  }
}

/** Undefined where the look failed (MongoDB is away, say): the next tick tries again. */
async function tryLook(store: Store, reads: WatchReads, file: ReleaseFile): Promise<Look | undefined> {
  try {
    const look = await lookAt(store, reads, file)
    await store.releases.tick(file.record.id)
    return look
  } catch (error) {
    log.warn('a look at the release failed; the next tick tries again', {
      releaseId: file.record.id,
      error: String(error),
    })
    return undefined
  }
}

async function lookAt(store: Store, reads: WatchReads, file: ReleaseFile): Promise<Look> {
  // Before the lane: a record that is read with the lane of the next step tells of the bake of the one before.
  const judgement = await judge(reads, { ...file, record: await reads.release(file.record.id) })
  const { lane, assessment } = judgement
  const record = await reads.release(file.record.id)
  if (isClosed(record.phase)) return { action: 'ended', reason: record.phase }
  if (lane.releaseId === record.id && lane.baseCause === 'settle') return { action: 'ended', reason: 'settled' }
  const wentBack = await wentBackElsewhere(store, file, record, lane)
  if (wentBack !== undefined) return { action: 'gone back', ...wentBack }
  if (lane.releaseId === record.id && lane.disabled) return { action: 'pause', reason: 'disabled', judgement }
  const failed = assessment.verdicts.filter((verdict) => verdict.verdict === 'fail')
  const texts = (
    failed.length > 0 ? failed : assessment.verdicts.filter((verdict) => verdict.verdict === 'no_evidence')
  ).map(({ text }) => text)
  return { action: assessment.action, reason: texts.join('; '), judgement }
}

/**
 * The release was taken back by somebody who could not tell its workflow (the API with Temporal away, the reconciler), or
 * its lane was rolled back by hand: the workflow hears of it now and not at the end of a bake of days.
 */
async function wentBackElsewhere(
  store: Store,
  { plan }: ReleaseFile,
  { id, phase }: ReleaseRecord,
  lane: LaneState,
): Promise<{ readonly by: string; readonly reason: string } | undefined> {
  if (phase === 'rolling_back') {
    const made = await store.releases.lastDecision(id, 'rollback')
    return { by: made?.by ?? 'ledger', reason: made?.reason ?? 'the release was withdrawn' }
  }
  const moved = lane.releaseId !== id && lane.baseSeq !== plan.lanes.at(-1)?.baseSeq
  if (!moved || lane.baseCause !== 'rollback') return undefined
  return { by: 'ledger', reason: `${laneName(lane)} was rolled back` }
}

async function withdrawn(store: Store, file: ReleaseFile, look: Look): Promise<WatchOutcome> {
  const { reason } = look
  await withdraw(store, file, { by: 'guardrail', reason, penalise: true, evidence: evidenceOf(look) })
  return { kind: 'withdrawn', by: 'guardrail', reason }
}

/**
 * Each cause pauses once per step, a limit once each time that it is broken: a person who resumes in spite of it is not
 * asked again by the same evidence, whatever else comes and goes meanwhile. Another attempt of this watch may still run,
 * or have run before, and have told it. It is asked first and written down then: an attempt that dies in between leaves a
 * pause that is asked for again, not a lost one.
 */
async function tellPause(deps: WatchDeps, file: ReleaseFile, look: Look, known: PauseCauses): Promise<void> {
  const { releases } = deps.store
  const releaseId = file.record.id
  try {
    const causes = causesOf(look, known)
    if (known.areKnown(causes)) return
    known.add(await releases.pauseCauses(releaseId))
    if (known.areKnown(causes)) return
    const examples = await examplesOf(deps.store, look)
    const reason = `${look.reason}${examplesText(examples)}`
    await deps.askPause(file.record, reason)
    const evidence = { ...evidenceOf(look), causes, ...(examples.length === 0 ? {} : { examples }) }
    await releases.decidePause({ releaseId, reason, evidence }, causes)
    known.add(causes)
  } catch (error) {
    log.warn('the release could not be told to pause; the next tick tries again', { error: String(error) })
  }
}

/** Where outputs differ a person has to look at some: which is better, no count says. */
async function examplesOf({ database, telemetry }: Store, { judgement }: Look): Promise<readonly ExamplePair[]> {
  const differs = judgement?.assessment.verdicts.some(
    ({ reason, role }) => reason === 'output_differs' && role === 'pause',
  )
  if (!judgement || !differs) return []
  return outputExamples({ database, requests: telemetry.requests }, judgement.lane, judgement.input.step?.seqs ?? [])
}

function causesOf({ reason, judgement }: Look, known: PauseCauses): readonly string[] {
  if (judgement === undefined) return [reason]
  return reason === 'disabled' ? [`disabled ${judgement.lane.headSeq}`] : known.of(judgement)
}

const evidenceOf = ({ judgement }: Look) => judgement && { input: judgement.input, assessment: judgement.assessment }

/**
 * Not found means that the workflow is gone, or only that the server gave this attempt up (a stalled worker) and started
 * another: the server is asked which, for a false rollback is as bad as a missed one.
 */
async function cancelled(deps: WatchDeps, file: ReleaseFile): Promise<WatchOutcome> {
  const details = cancellationDetails()
  if (details?.cancelRequested) return { kind: 'ended' }
  const { id, workflowId, runId } = await deps.store.releases.get(file.record.id)
  if (!details?.notFound || runId === undefined || (await deps.isRunning(workflowId, runId))) {
    throw new Error('this attempt of the watch was given up; the next one goes on')
  }
  if (isClosed((await deps.store.releases.get(id)).phase)) return { kind: 'ended' }
  const reason = 'the workflow of the release is gone'
  await withdraw(deps.store, file, { by: 'watch', reason, penalise: true, unlessSettled: true })
  return { kind: 'withdrawn', by: 'watch', reason }
}

const nearBeat = 20

/**
 * How long until the next beat. All watches of a process look at the same beat, a tick apart whatever a look takes, so that
 * what they read is read together.
 */
function untilBeatMs(tickMs: number): number {
  const left = tickMs - (performance.now() % tickMs)
  // Timers may fire a little before their time; that is no beat of its own.
  return left < tickMs / nearBeat ? left + tickMs : left
}
