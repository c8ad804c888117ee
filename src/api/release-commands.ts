import { setTimeout } from 'node:timers/promises'
import { ulid } from 'ulid'
import type { CommandPayload } from '../../workflows/messages'
import { releaseWorkflowId } from '../../workflows/workflow-ids'
import { type Allocation, laneId } from '../domain/allocation'
import type { ReleaseRequest } from '../domain/plan'
import type { ProviderChange } from '../domain/provider-change'
import { type CommandName, isClosed, type ReleaseState } from '../domain/release'
import type { Digest } from '../domain/version'
import { SluiceError } from '../errors'
import { openRelease } from '../store/assessor'
import type { Ledger } from '../store/ledger'
import { doneUnder, once } from '../store/once'
import type { ReleaseRecord } from '../store/releases'
import type { Store } from '../store/store'
import { rollbackKey, withdraw } from '../store/withdrawal'
import type { Orchestrator } from '../temporal'
import type { ApiDeps } from './app'

/** A release as the API shows it: the record, and the live state where its workflow answers. */
export interface ReleaseView {
  readonly record: ReleaseRecord
  readonly live?: ReleaseState
  /** What providers returned otherwise under its composites since it began, the newest first. */
  readonly providerChanges?: readonly ProviderChange[]
}

/**
 * Plans first, so that a mistake is answered at once; then starts the workflow, which plans for good. With the `id` of an
 * earlier call it goes on where that one ended.
 */
export async function startRelease(
  deps: ApiDeps,
  request: ReleaseRequest,
  author: string,
  id: string = ulid(),
): Promise<ReleaseRecord> {
  const { store } = deps
  const begun = await store.releases.find(id)
  if (begun?.runId !== undefined) return begun
  const workflowId = releaseWorkflowId(request.task)
  if (begun === undefined) await store.planner.plan(request, deps.endpoints)
  const record = begun ?? (await store.releases.create({ id, task: request.task, request, author, workflowId }))
  try {
    const runId = await startOnce(deps, { releaseId: record.id, request, author })
    await store.releases.started(record.id, runId)
    return { ...record, runId }
  } catch (error) {
    await store.releases.discard(record.id)
    throw error
  }
}

const closingTries = 20
const closingPauseMs = 200

/** A release that has just ended may hold its workflow id for a moment longer; only an open one is a conflict. */
async function startOnce(
  { store, orchestrator }: ApiDeps,
  input: Parameters<Orchestrator['startRelease']>[0],
): Promise<string> {
  const { task } = input.request
  for (let attempt = 1; ; attempt++) {
    try {
      return await orchestrator.startRelease(input)
    } catch (error) {
      if (!(error instanceof SluiceError && error.code === 'release_running')) throw error
      const open = await store.releases.list({ task, open: true, limit: 2 })
      const running = open.find(({ id }) => id !== input.releaseId)
      if (running === undefined && attempt < closingTries) {
        await setTimeout(closingPauseMs)
        continue
      }
      const holder = running === undefined ? '' : ` It is the release ${running.id} by ${running.author}.`
      throw new SluiceError('release_running', `${error.message}${holder}`, { release: running?.id })
    }
  }
}

export async function viewRelease(deps: ApiDeps, id: string): Promise<ReleaseView> {
  const view = await viewRunning(deps, id)
  const { plan, createdAt, endedAt = Number.POSITIVE_INFINITY } = view.record
  if (plan === undefined) return view
  const { candidate, suite, policy, lanes } = await deps.store.releases.plan(plan)
  const incumbent = lanes.at(-1)?.incumbent
  const arms = incumbent === undefined ? { candidate } : { candidate, incumbent }
  const composites = [...Object.values(arms), ...(await deps.store.evidence.judges({ ...arms, suite, policy }))]
  const changes = await deps.store.providers.changes({ composites, since: createdAt })
  return { ...view, providerChanges: changes.filter(({ at }) => at <= endedAt) }
}

async function viewRunning(deps: ApiDeps, id: string): Promise<ReleaseView> {
  const record = await deps.store.releases.get(id)
  if (isClosed(record.phase) || record.runId === undefined) return { record }
  try {
    const live = await deps.orchestrator.status({ workflowId: record.workflowId, runId: record.runId })
    // Read again: what the workflow says now may rest on a plan that was made since the record was read.
    return live === undefined ? { record } : { record: await deps.store.releases.get(id), live }
  } catch (error) {
    if (error instanceof SluiceError && (error.code === 'temporal_unavailable' || error.code === 'release_closed'))
      return { record }
    throw error
  }
}

/** A command as an authenticated update. A rollback that the workflow does not take in time is written directly. */
export async function commandRelease(
  deps: ApiDeps,
  id: string,
  name: CommandName,
  payload: CommandPayload,
): Promise<ReleaseView> {
  const record = await deps.store.releases.get(id)
  if (isClosed(record.phase)) {
    throw new SluiceError(
      'release_closed',
      `The release ${id} is ${record.phase.replaceAll('_', ' ')}; it takes no more commands.`,
    )
  }
  const { workflowId, runId } = record
  // Under the workflow id alone the command could reach another release of the task.
  if (runId === undefined) throw new SluiceError('command_refused', `The release ${id} is still starting; try again.`)
  const place = { workflowId, runId }
  if (name !== 'rollback') return { record, live: await deps.orchestrator.command(place, name, payload) }
  try {
    return { record, live: await deps.orchestrator.command(place, name, payload) }
  } catch (error) {
    if (!(await isUndriven(deps, record, error))) throw error
    const { by, reason } = payload
    await withdraw(deps.store, await openRelease(deps.store, id), { by, reason, penalise: true })
    const after = await deps.store.releases.get(id)
    // It ended just before: its workflow takes nothing back any more.
    if (isClosed(after.phase)) {
      await deps.store.releases.update(id, { owesRetraction: true })
      await takeBackNotes(deps, id)
    }
    return { record: after }
  }
}

/** Nobody takes the command, and the release is open: Temporal does not answer, or the workflow was terminated. */
async function isUndriven({ store }: ApiDeps, record: ReleaseRecord, error: unknown): Promise<boolean> {
  if (!(error instanceof SluiceError) || record.plan === undefined) return false
  if (error.code === 'temporal_unavailable') return true
  return error.code === 'release_closed' && !isClosed((await store.releases.get(record.id)).phase)
}

export interface LaneRollback {
  /** The base seq that the caller saw: of two people in one incident, the second changes nothing. */
  readonly base?: number
  readonly environment: string
  readonly task: string
  readonly to?: Digest
  readonly by: string
  readonly reason: string
  /** Key of the entry: the same order given again writes no second one. Absent: every order is another one. */
  readonly key?: string
}

/**
 * Rolls a lane back: a running release of the task first, through its workflow; else, or with `to`, by an entry to the
 * previous or the named settled composite. Never refused by hold, freeze, approval or suite.
 */
export async function rollbackLane(
  deps: ApiDeps,
  order: LaneRollback,
): Promise<{ seq: number; incumbent?: string; release?: string }> {
  const { environment, task, by, reason, key = `${ulid()}/rollback` } = order
  const { store } = deps
  const written = await store.ledger.find({ environment, task, key })
  if (written) return takenBack(deps, written)
  const release = await toTakeBack(store, order, key)
  if (release !== undefined) {
    const back = await store.ledger.find({ environment, task, key: rollbackKey(release) })
    if (back === undefined && (await isOpen(store, release))) {
      await commandRelease(deps, release, 'rollback', { by, reason })
      const { headSeq: seq, incumbent } = await store.ledger.lane(environment, task)
      return { release, seq, ...(incumbent === undefined ? {} : { incumbent }) }
    }
    if (back !== undefined) return { release, ...restored(back) }
  }
  const penalties = { hold: true, veto: true }
  const target = order.to === undefined ? {} : { target: order.to }
  const base = order.base === undefined ? {} : { expectedBase: order.base }
  const request = { environment, task, key, by, reason, penalties, ...target, ...base }
  const entry = await store.database.transact(async (session) => {
    const appended = await store.ledger.restore(request, session)
    if (appended !== undefined) await owe(store, appended.entry, session)
    return appended?.entry
  })
  return entry === undefined ? { seq: (await store.ledger.lane(environment, task)).headSeq } : takenBack(deps, entry)
}

/**
 * The open release whose candidate the order takes back, as it was when the order was given first: given again it is not
 * taken for an order to go back further, since the candidate is gone by then.
 */
async function toTakeBack({ database, ledger, releases }: Store, order: LaneRollback, key: string) {
  const { environment, task, to } = order
  const place = `${key}/release`
  const known = await doneUnder<{ readonly release: string }>(database, place)
  if (known !== undefined) return known.release
  const { candidate, releaseId } = await ledger.lane(environment, task)
  if (to !== undefined || candidate === undefined || releaseId === undefined) return undefined
  const record = await releases.find(releaseId)
  if (record === undefined || isClosed(record.phase)) return undefined
  return (await once(database, place, async () => ({ release: releaseId }))).release
}

/** With the entry itself: where the process dies before anybody is told, the reconciler finds what is owed. */
async function owe(store: Store, entry: Allocation, session: Parameters<Ledger['lane']>[2]): Promise<void> {
  const settled = await settledBy(store, entry)
  if (settled === undefined) return
  const { environment, task, by, reason = '', seq } = entry
  const evidence = { lanes: [laneId(environment, task)], seq }
  await store.releases.decideOnce({ releaseId: settled, kind: 'rollback', by, reason, evidence }, session)
  await store.releases.update(settled, { owesRetraction: true }, session)
}

/** Who was told of a settled release is told again; repeated with the same key it finds everything done. */
async function takenBack(deps: ApiDeps, entry: Allocation) {
  const settled = await settledBy(deps.store, entry)
  if (settled !== undefined) await takeBackNotes(deps, settled)
  return restored(entry)
}

async function takeBackNotes({ store, retract }: ApiDeps, releaseId: string): Promise<void> {
  if (retract === undefined) return
  await retract(releaseId)
  await store.releases.update(releaseId, { owesRetraction: false })
}

/**
 * The release that had settled what the rollback took out of the environment that it rolled out in; of an earlier one its
 * tenants were told nothing. Between the two other releases may have come and gone.
 */
async function settledBy({ ledger, releases }: Store, entry: Allocation): Promise<string | undefined> {
  const { environment, task, seq } = entry
  const before = await ledger.head(environment, task, { before: seq })
  if (before?.incumbent === undefined || before.incumbent === entry.incumbent) return undefined
  const settle = await ledger.head(environment, task, { before: seq, settled: before.incumbent })
  const record = settle?.releaseId === undefined ? undefined : await releases.find(settle.releaseId)
  if (record?.plan === undefined) return undefined
  const { lanes } = await releases.plan(record.plan)
  return lanes.at(-1)?.environment === environment ? record.id : undefined
}

/** A lane may be left with the candidate of a release that has ended: then nobody is asked. */
async function isOpen({ releases }: ApiDeps['store'], release: string): Promise<boolean> {
  const record = await releases.find(release)
  return record !== undefined && !isClosed(record.phase)
}

const restored = ({ seq, incumbent }: Allocation): { seq: number; incumbent?: string } => ({
  seq,
  ...(incumbent === undefined ? {} : { incumbent }),
})
