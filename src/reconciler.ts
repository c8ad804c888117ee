import { createReleaseEffects } from '../activities/release'
import type { ReleaseActivities } from '../workflows/messages'
import type { ServerConfig } from './config'
import { isClosed } from './domain/release'
import { SluiceError } from './errors'
import { notesFolderOf } from './main'
import { openRelease } from './store/assessor'
import type { ReleaseRecord } from './store/releases'
import { openStore, type Store } from './store/store'
import { isSettled, withdraw } from './store/withdrawal'
import { connectTemporal, type Orchestrator, type WorkflowHealth } from './temporal'

export interface ReconcilerDeps {
  readonly store: Store
  readonly orchestrator: Pick<Orchestrator, 'health'>
  /** What follows the restored lanes; the same steps as the workflow's own. */
  readonly finish: Pick<ReleaseActivities, 'settleRelease' | 'communicateRelease' | 'retractRelease' | 'closeRelease'>
}

/** What one pass did, for people and logs. */
export interface Reconciled {
  readonly release: string
  readonly task: string
  readonly did: 'withdrawn' | 'finished'
  readonly why: string
}

/** A watch that shows the same tick for so long is taken for dead. */
export const staleWatchMs = 60_000
/** Looks further apart than this are no watching. A pass comes every five seconds. */
const longestGapMs = 20_000
/** A release that Temporal does not know may still be starting. */
const unknownGraceMs = 30_000
const maxOpenReleases = 1_000

interface Sighting {
  readonly tick: number
  /** When this tick was first seen, in an unbroken row of looks; and the last look. */
  readonly since: number
  readonly readAt: number
}

interface Pass {
  temporalAnswers: boolean
}

/**
 * Ends what nobody drives any more: a release whose workflow is closed or unknown, or whose safety clock stands still.
 * Needs no Temporal for the latter. It runs in every server (one at a time, by lease) and remembers only ticks.
 */
export class Reconciler {
  private readonly deps: ReconcilerDeps
  private readonly now: () => number
  private readonly seen = new Map<string, Sighting>()

  /** `now`: a monotonic clock, in ms. */
  constructor(deps: ReconcilerDeps, now: () => number = () => performance.now()) {
    this.deps = deps
    this.now = now
  }

  /** Both at once. */
  async once(): Promise<readonly Reconciled[]> {
    return [...(await this.look()), ...(await this.end())]
  }

  /**
   * Looks at every safety clock, and withdraws what has stood still for too long. It waits for neither Temporal nor a receiver of
   * notes: looks that are too far apart begin to count anew.
   */
  async look(): Promise<readonly Reconciled[]> {
    const open = await this.open()
    for (const id of this.seen.keys()) if (!open.some((record) => record.id === id)) this.seen.delete(id)
    return each(open, async (record) => {
      const stillMs = (await this.stillMs(record)) ?? 0
      return stillMs >= staleWatchMs ? this.withdrawStalled(record) : undefined
    })
  }

  /** Ends what has no workflow any more. It takes as long as the receivers of notes do. */
  async end(): Promise<readonly Reconciled[]> {
    const pass: Pass = { temporalAnswers: true }
    const owing = await this.deps.store.releases.list({ owing: true, limit: maxOpenReleases })
    return each([...owing, ...(await this.open())], (record) =>
      record.owesRetraction ? this.takeBackNotes(record) : this.endOne(record, pass),
    )
  }

  /** Of a release that had ended when it was rolled back, by a server that died before everybody was told. */
  private async takeBackNotes({ id, task }: ReleaseRecord): Promise<Reconciled> {
    const why = 'what it told was still to be taken back'
    await this.deps.finish.retractRelease({ releaseId: id, by: 'reconciler', reason: why, penalise: false })
    await this.deps.store.releases.update(id, { owesRetraction: false })
    return { release: id, task, did: 'finished', why }
  }

  private open(): Promise<readonly ReleaseRecord[]> {
    return this.deps.store.releases.list({ open: true, limit: maxOpenReleases })
  }

  private async endOne(record: ReleaseRecord, pass: Pass): Promise<Reconciled | undefined> {
    const health = await this.healthOf(record, pass)
    if (health?.kind === 'closed') return this.finish(record, `its workflow is ${health.status.toLowerCase()}`)
    if (health?.kind !== 'unknown') return undefined
    // A clock that ticks has a workflow, whatever the Temporal says that this server was pointed to.
    const quietMs = (await this.stillMs(record)) ?? (await this.ageMs(record))
    return quietMs > unknownGraceMs ? this.finish(record, 'its workflow is unknown') : undefined
  }

  private async withdrawStalled(record: ReleaseRecord): Promise<Reconciled | undefined> {
    const file = await openRelease(this.deps.store, record.id)
    const why = `its safety clock stood still for ${staleWatchMs / 1_000} s`
    const order = { by: 'reconciler', reason: why, penalise: true, unlessSettled: true, unlessUnexposed: true }
    const lanes = await withdraw(this.deps.store, file, order)
    // Without a safety clock nothing is copied either; who drives the release begins anew when it ticks again.
    if (lanes.length === 0) await this.deps.store.shadows.end(record.id)
    return lanes.length > 0 ? { release: record.id, task: record.task, did: 'withdrawn', why } : undefined
  }

  /** Undefined where Temporal does not answer: then only the ticks speak, and this pass asks no more. */
  private async healthOf({ workflowId, runId }: ReleaseRecord, pass: Pass): Promise<WorkflowHealth | undefined> {
    if (runId === undefined) return { kind: 'unknown' }
    if (!pass.temporalAnswers) return undefined
    try {
      return await this.deps.orchestrator.health({ workflowId, runId })
    } catch (error) {
      if (!(error instanceof SluiceError && error.code === 'temporal_unavailable')) throw error
      pass.temporalAnswers = false
      return undefined
    }
  }

  private async ageMs(record: ReleaseRecord): Promise<number> {
    return (await this.deps.store.database.now()) - record.createdAt
  }

  /**
   * How long the safety clock has stood still; undefined before its first tick. Only what this process itself saw counts,
   * so no clock is compared with another, and only while it kept looking: after a time in which the store could not be
   * read, the safety clock could not tick either, and the count starts anew.
   */
  private async stillMs(record: ReleaseRecord): Promise<number | undefined> {
    const last = await this.deps.store.releases.lastTick(record.id)
    if (last === undefined) return undefined
    const readAt = this.now()
    const before = this.seen.get(record.id)
    const same = before?.tick === last.tick && readAt - before.readAt <= longestGapMs
    const since = same ? before.since : readAt
    this.seen.set(record.id, { tick: last.tick, since, readAt })
    return readAt - since
  }

  private async finish(record: ReleaseRecord, why: string): Promise<Reconciled | undefined> {
    const { store, finish } = this.deps
    const { id, task, runId } = await store.releases.get(record.id)
    if (isClosed((await store.releases.get(id)).phase)) return undefined
    if (record.plan === undefined) {
      await finish.closeRelease({ releaseId: id, runId, phase: 'rolled_back', reason: why })
      return { release: id, task, did: 'finished', why }
    }
    const file = await openRelease(store, id)
    if (await isSettled(store, file)) {
      await finish.settleRelease({ releaseId: id })
      const { failed } = await finish.communicateRelease({ releaseId: id })
      await finish.closeRelease({
        releaseId: id,
        runId,
        phase: failed > 0 ? 'done_with_failed_deliveries' : 'done',
        reason: why,
      })
      return { release: id, task, did: 'finished', why }
    }
    const order = { releaseId: id, by: 'reconciler', reason: why, penalise: true }
    await withdraw(store, file, { ...order, unlessSettled: true })
    await finish.retractRelease(order)
    await finish.closeRelease({ releaseId: id, runId, phase: 'rolled_back', reason: why })
    return { release: id, task, did: 'withdrawn', why }
  }
}

/** One that fails does not keep the others from their turn. */
async function each(
  open: readonly ReleaseRecord[],
  work: (record: ReleaseRecord) => Promise<Reconciled | undefined>,
): Promise<readonly Reconciled[]> {
  const done: Reconciled[] = []
  const faults: unknown[] = []
  for (const record of open) {
    try {
      const did = await work(record)
      if (did) done.push(did)
    } catch (error) {
      faults.push(error)
    }
  }
  if (faults.length > 0)
    throw new AggregateError(faults, `${faults.length} of ${open.length} releases: ${String(faults[0])}`)
  return done
}

/** One pass by itself, on connections of its own: for when no server runs. */
export async function reconcileNow(config: ServerConfig): Promise<readonly Reconciled[]> {
  const store = await openStore(config.mongodbUri, config.database)
  const orchestrator = await connectTemporal(config.temporalAddress, config.namespace)
  try {
    const finish = createReleaseEffects({ store, endpoints: config.endpoints, notesFolder: notesFolderOf(config) })
    return await new Reconciler({ store, orchestrator, finish }).once()
  } finally {
    await orchestrator.close()
    await store.database.close()
  }
}
