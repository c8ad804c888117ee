import { randomUUID } from 'node:crypto'
import { createCommunicateActivities, dispatchOutbox } from '../activities/communicate'
import { createNoteSource } from '../activities/note-source'
import { createReleaseEffects } from '../activities/release'
import { rest } from '../activities/rest'
import { buildServer } from './api/server'
import { readCaptureKeys, readConfig, requireServers } from './config'
import { LiveJudges } from './live-judges'
import { type Log, openLog } from './log'
import { notesFolderOf, runMain } from './main'
import { type Reconciled, Reconciler } from './reconciler'
import { attendEveryMs } from './store/attendance'
import { openStore, type Store } from './store/store'
import { connectTemporal } from './temporal'

/** With a look before and after the 60 s that a safety clock may stand still, harm ends within 80 s with everything dead. */
const reconcileEveryMs = 5_000
const reconcileLeaseMs = 15_000
const dispatchEveryMs = 2_000
const dispatchLimit = 200
const judgeEveryMs = 5_000
/** A Temporal that was away, or a schedule that somebody deleted, is found this soon. */
const scheduleEveryMs = 60_000

async function main(): Promise<void> {
  const config = requireServers(readConfig())
  const log = openLog('server', config.logLevel)
  const store = await openStore(config.mongodbUri, config.database, { captureKeys: readCaptureKeys() })
  const orchestrator = await connectTemporal(config.temporalAddress, config.namespace)
  const notesFolder = notesFolderOf(config)
  const notes = createCommunicateActivities({ store, notesFolder, source: createNoteSource(store) })
  const retract = (releaseId: string) => notes.enqueueNotes({ releaseId, kind: 'retraction' })
  const app = buildServer({ store, orchestrator, endpoints: config.endpoints, retract, log })
  const url = await app.listen({ host: config.host, port: config.port ?? 0 })
  const finish = createReleaseEffects({ store, endpoints: config.endpoints, notesFolder })
  const reconciler = new Reconciler({ store, orchestrator, finish })
  const reconciling = (work: () => Promise<readonly Reconciled[]>) => reconcile(store, log, work)
  const judges = new LiveJudges({ store, endpoints: config.endpoints, log, holder, roundMs: judgeEveryMs })
  const loops = [
    startLoop(log, { name: 'attend', everyMs: attendEveryMs, work: () => store.attendance.sign() }),
    // By one lease: who ends releases has seen their clocks, and looks on meanwhile.
    startLoop(log, { name: 'look', everyMs: reconcileEveryMs, work: () => reconciling(() => reconciler.look()) }),
    startLoop(log, { name: 'end', everyMs: reconcileEveryMs, work: () => reconciling(() => reconciler.end()) }),
    startLoop(log, {
      name: 'dispatch',
      everyMs: dispatchEveryMs,
      work: () => dispatchOutbox({ store, notesFolder }, { limit: dispatchLimit }),
    }),
    startLoop(log, { name: 'judge', everyMs: judgeEveryMs, work: () => judges.once() }),
    startLoop(log, {
      name: 'schedule',
      everyMs: scheduleEveryMs,
      work: () => orchestrator.scheduleGarbage(config.gcEveryHours),
    }),
  ]
  process.stdout.write(`${JSON.stringify({ ready: true, url })}\n`)
  await stopSignal()
  for (const stop of loops) await stop()
  await app.close()
  await orchestrator.close()
  await store.database.close()
}

const holder = randomUUID()

async function reconcile(store: Store, log: Log, work: () => Promise<readonly Reconciled[]>): Promise<void> {
  if (!(await store.leases.take('reconcile', holder, reconcileLeaseMs))) return
  for (const done of await work()) log.warn(done, `release ${done.release} of ${done.task} ${done.did}: ${done.why}`)
}

interface Loop {
  readonly name: string
  readonly everyMs: number
  readonly work: () => Promise<unknown>
}

/** Repeats work at a steady pace, never two at once. A failure is logged and the next round tries again. */
function startLoop(log: Log, { name, everyMs, work }: Loop): () => Promise<void> {
  const ending = new AbortController()
  const running = (async () => {
    while (!ending.signal.aborted) {
      const begun = performance.now()
      try {
        await work()
      } catch (error) {
        log.error({ error: String(error) }, `${name} failed; the next round tries again`)
      }
      await rest(everyMs - (performance.now() - begun), ending.signal)
    }
  })()
  return () => {
    ending.abort()
    return running
  }
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', resolve)
    process.once('SIGTERM', resolve)
  })
}

runMain(module, main)
