import type { LaneState } from '../domain/lane'
import { isClosed } from '../domain/release'
import { SluiceError } from '../errors'
import type { ReleaseRecord } from '../store/releases'
import type { Store } from '../store/store'
import type { Orchestrator, WorkflowHealth } from '../temporal'
import { type Finding, ok, wrong } from './finding'
import { forEach } from './pages'
import { countText, durationText, plainText } from './wording'

/** What is asked; `orchestrator` absent: Temporal does not answer, so only the records speak. */
export interface HealthDeps {
  readonly store: Store
  readonly orchestrator?: Pick<Orchestrator, 'health'>
}

const maxOpen = 1_000
/** From here on it is no hiccup of a worker that restarts. */
const failingAttempts = 3
/** No forward step is taken on an older tick. */
const oldTickMs = 10_000

/** Open releases that nobody drives or watches, and lanes that still expose a candidate of a closed one. */
export async function releaseFindings(deps: HealthDeps, lanes: readonly LaneState[]): Promise<readonly Finding[]> {
  const { store } = deps
  const open = await store.releases.list({ open: true, limit: maxOpen })
  const found = await forEach(open, async (record) => [
    ...(await workflowFindings(deps, record)),
    ...(await clockFindings(store, record, lanes)),
  ])
  const stranded = await forEach(lanes, (lane) => laneFindings(store, lane))
  const wrongs = [...found, ...stranded].flat()
  if (wrongs.length > 0) return wrongs
  const answers = deps.orchestrator === undefined ? '' : open.length === 0 ? '' : ', each with a running workflow'
  return [
    ok('releases', `${open.length === 0 ? 'none is open' : `${countText(open.length, 'release')} open${answers}`}`),
  ]
}

async function workflowFindings(deps: HealthDeps, record: ReleaseRecord): Promise<readonly Finding[]> {
  const health = await healthOf(deps, record)
  if (health === undefined) return []
  const name = `${record.workflowId} (release ${record.id})`
  if (health.kind !== 'running') {
    const state = health.kind === 'closed' ? plainText(health.status.toLowerCase()) : 'unknown to Temporal'
    const text = `the record says ${plainText(record.phase)}, its workflow is ${state}`
    return [wrong(name, text, 'a running server ends it within seconds; without one: sluice reconcile')]
  }
  if (health.failingTaskAttempts < failingAttempts) return []
  const why = health.failure === undefined ? '' : `: ${health.failure}`
  const remedy =
    `deploy workers whose code replays this history (the version before, or a patched one); it then goes on by itself. ` +
    `To take it back meanwhile: sluice release rollback ${record.id} --reason "…"`
  return [wrong(name, `its workflow task failed ${health.failingTaskAttempts} times${why}`, remedy)]
}

async function healthOf({ orchestrator }: HealthDeps, record: ReleaseRecord): Promise<WorkflowHealth | undefined> {
  const { workflowId, runId } = record
  try {
    return await orchestrator?.health(runId === undefined ? { workflowId } : { workflowId, runId })
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'temporal_unavailable') return undefined
    throw error
  }
}

/** The clock matters while a candidate is exposed; before and after, it does not run. */
async function clockFindings(
  store: Store,
  record: ReleaseRecord,
  lanes: readonly LaneState[],
): Promise<readonly Finding[]> {
  if (!lanes.some((lane) => lane.releaseId === record.id && lane.candidate !== undefined)) return []
  const tick = await store.releases.lastTick(record.id)
  if (tick !== undefined && tick.ageMs <= oldTickMs) return []
  const since = tick === undefined ? 'never ticked' : `stands still for ${durationText(tick.ageMs)}`
  const remedy =
    'start a worker: nothing goes forward without the clock, and servers withdraw the candidate after a minute. ' +
    `To take it back now: sluice release rollback ${record.id} --reason "…"`
  return [wrong(`safety clock of ${record.id} (${record.task})`, since, remedy)]
}

async function laneFindings(store: Store, lane: LaneState): Promise<readonly Finding[]> {
  if (lane.candidate === undefined) return []
  const { environment, task, releaseId } = lane
  const record = await recordOf(store, releaseId)
  if (record !== undefined && !isClosed(record.phase)) return []
  const state = record === undefined ? 'no release' : `release ${record.id}, which is ${plainText(record.phase)}`
  const remedy = `sluice rollback ${task} --env ${environment} --reason "left over"`
  return [wrong(`${environment}/${task}`, `exposes a candidate of ${state}`, remedy)]
}

async function recordOf(store: Store, id: string | undefined): Promise<ReleaseRecord | undefined> {
  if (id === undefined) return undefined
  try {
    return await store.releases.get(id)
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'not_found') return undefined
    throw error
  }
}
