import type { ClientSession } from 'mongodb'
import { laneId } from '../domain/allocation'
import { isClosed } from '../domain/release'
import { rolloutEnvironment } from '../domain/rollout'
import { SluiceError } from '../errors'
import type { ReleaseFile } from './assessor'
import type { Database } from './database'
import type { Ledger } from './ledger'
import type { Releases } from './releases'
import { endShadow } from './shadows'

export interface WithdrawalDeps {
  readonly database: Database
  readonly ledger: Ledger
  readonly releases: Releases
}

export interface Withdrawal {
  readonly by: string
  readonly reason: string
  readonly penalise: boolean
  /** Leave a release alone that settled already where it rolls out: nothing of it is on trial any more. */
  readonly unlessSettled?: boolean
  /** Leave a release alone that holds no lane: nobody has it, so whoever drives it may still go on. */
  readonly unlessUnexposed?: boolean
  /** What the decision was made on. */
  readonly evidence?: unknown
}

/** Of the entry that takes a release out of a lane. */
export const rollbackKey = (releaseId: string): string => `${releaseId}/rollback`

/**
 * Takes a release back in every lane that it still holds, the one it rolls out in first, with hold, veto and the
 * decision, in one transaction. Whoever calls it (watch, saga, reconciler, CLI) writes the same keys, so it happens
 * once. From then on the release is over: a step that is still under way somewhere finds that and appends nothing. Returns the lanes that were restored by this call.
 */
export async function withdraw(
  deps: WithdrawalDeps,
  file: ReleaseFile,
  withdrawal: Withdrawal,
): Promise<readonly string[]> {
  return deps.database.transact((session) => withdrawIn(deps, file, withdrawal, session))
}

async function withdrawIn(
  deps: WithdrawalDeps,
  file: ReleaseFile,
  withdrawal: Withdrawal,
  session: ClientSession,
): Promise<string[]> {
  const { record, plan, policy } = file
  const { by, reason } = withdrawal
  const penalties = withdrawal.penalise ? policy.afterRollback : { hold: false, veto: false }
  if (withdrawal.unlessSettled && (await isSettled(deps, file, session))) return []
  const restored: string[] = []
  for (const { environment } of plan.lanes.toReversed()) {
    const request = {
      environment,
      task: plan.task,
      key: rollbackKey(record.id),
      releaseId: record.id,
      by,
      reason,
      penalties,
    }
    const appended = await deps.ledger.restore(request, session)
    if (appended?.created) restored.push(laneId(environment, plan.task))
  }
  if (restored.length === 0 && withdrawal.unlessUnexposed) return []
  await endShadow(deps.database, record.id, session)
  if (restored.length > 0) {
    const evidence = { lanes: restored, ...(withdrawal.evidence === undefined ? {} : { judged: withdrawal.evidence }) }
    await deps.releases.decide({ releaseId: record.id, kind: 'rollback', by, reason, evidence }, session)
  }
  if (!isClosed((await deps.releases.get(record.id, session)).phase)) {
    await deps.releases.update(record.id, { phase: 'rolling_back' }, session)
  }
  return restored
}

/**
 * Throws `release_closed` where the release was withdrawn or ended. An attempt that was given up (a cancelled activity, a
 * worker that stood still) may still run then: whoever appends for a release asks this in the same transaction and writes
 * the release's record in it, as `withdraw` does, so that one of the two comes second and sees the other.
 */
export async function assertOpen(
  deps: Pick<WithdrawalDeps, 'releases'>,
  releaseId: string,
  session?: ClientSession,
): Promise<void> {
  const { phase } = await deps.releases.get(releaseId, session)
  if (phase === 'rolling_back' || isClosed(phase)) {
    throw new SluiceError('release_closed', `The release ${releaseId} was withdrawn or has ended meanwhile.`)
  }
}

/** Whether the release is the settled incumbent of the lane that it rolls out in. */
export async function isSettled(
  deps: Pick<WithdrawalDeps, 'ledger'>,
  { plan, policy, record }: ReleaseFile,
  session?: ClientSession,
): Promise<boolean> {
  const lane = await deps.ledger.lane(rolloutEnvironment(policy), plan.task, session)
  return lane.releaseId === record.id && lane.baseCause === 'settle'
}

/** Throws `lane_moved` where a release that settled was taken back since. One that is closed stays what it is. */
export async function assertStands(
  deps: Pick<WithdrawalDeps, 'ledger' | 'releases'>,
  file: ReleaseFile,
  session?: ClientSession,
): Promise<void> {
  const { phase } = await deps.releases.get(file.record.id, session)
  if (isClosed(phase) || (phase !== 'rolling_back' && (await isSettled(deps, file, session)))) return
  throw new SluiceError('lane_moved', 'The release was taken back before it was closed.')
}
