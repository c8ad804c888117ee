import { randomUUID } from 'node:crypto'
import { createCommunicateActivities, dispatchOutbox } from '../activities/communicate'
import { createNoteSource } from '../activities/note-source'
import { createReleaseEffects } from '../activities/release'
import { rest } from '../activities/rest'
import { buildServer } from './api/server'
import { readCaptureKeys, readConfig, requireServers } from './config'
import type { Endpoints } from './engines/engine'
import { type Log, openLog } from './log'
import { notesFolderOf, runMain } from './main'
import { Reconciler } from './reconciler'
import { openRelease } from './store/assessor'
import { judgeRound } from './store/live-judging'
import { openStore, type Store } from './store/store'
import { connectTemporal } from './temporal'

/** With a look before and after the 60 s that a safety clock may stand still, harm ends within 80 s with everything dead. */
const reconcileEveryMs = 5_000
const reconcileLeaseMs = 15_000
const dispatchEveryMs = 2_000
const dispatchLimit = 200
const judgeEveryMs = 5_000
const judgeLeaseMs = 60_000
const maxOpenReleases = 1_000
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
  const loops = [
    startLoop(log, { name: 'reconcile', everyMs: reconcileEveryMs, work: () => reconcileOnce(store, reconciler, log) }),
    startLoop(log, {
      name: 'dispatch',
      everyMs: dispatchEveryMs,
      work: () => dispatchOutbox({ store, notesFolder }, { limit: dispatchLimit }),
    }),
    startLoop(log, { name: 'judge', everyMs: judgeEveryMs, work: () => judgeOnce(store, config.endpoints, log) }),
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

async function reconcileOnce(store: Store, reconciler: Reconciler, log: Log): Promise<void> {
  if (!(await store.leases.take('reconcile', holder, reconcileLeaseMs))) return
  for (const done of await reconciler.once())
    log.warn(done, `release ${done.release} of ${done.task} ${done.did}: ${done.why}`)
}

/** Live outputs are judged by one server at a time, the only process that can read captures; it renews while a round lasts. */
async function judgeOnce(store: Store, endpoints: Endpoints, log: Log): Promise<void> {
  const take = () => store.leases.take('judge', holder, judgeLeaseMs)
  if (!(await take())) return
  const renewing = setInterval(() => void take().catch(() => undefined), judgeLeaseMs / 4)
  try {
    for (const { id, plan } of await store.releases.list({ open: true, limit: maxOpenReleases })) {
      if (plan === undefined) continue
      const file = await openRelease(store, id)
      for (const judge of file.policy.judges ?? []) {
        // One judge whose endpoint is not configured must not keep the others from their turn.
        await judgeRound({ ...store, endpoints, roundMs: judgeEveryMs }, file, judge).catch((error: unknown) =>
          log.error(
            { error: String(error), release: id, metric: judge.metric },
            'judging failed; the next round tries again',
          ),
        )
      }
    }
  } finally {
    clearInterval(renewing)
  }
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
