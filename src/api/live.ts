import { SluiceError } from '../errors'
import { type Log, logFault } from '../log'
import type { Database } from '../store/database'
import type { SnapshotSource } from '../store/snapshot-reading'
import { StoreClock } from '../store/store-clock'
import type { Telemetry } from '../store/telemetry'
import type { ApiDeps, App } from './app'
import { SnapshotHub } from './snapshot-hub'

/** What the routes of live traffic share within one server. */
export interface Live {
  readonly hub: SnapshotHub
  readonly clock: StoreClock
  readonly telemetry: Telemetry
  /** Throws `unknown_environment` for what is neither a standard environment nor one that a lane is in. */
  assertEnvironment(environment: string): Promise<void>
}

const lives = new WeakMap<App, Live>()
const sealEveryMs = 1_000
const closeGraceMs = 500
const standardEnvironments = ['development', 'staging', 'production'] as const

/** The live part of this server, made at the first asking; it ends with the server. */
export function liveOf(app: App, deps: ApiDeps): Live {
  const known = lives.get(app)
  if (known) return known
  const { store, log } = deps
  const source: SnapshotSource = store
  const environments = new Set<string>(standardEnvironments)
  const live: Live = {
    hub: new SnapshotHub(source, (error) =>
      logFault(log, error, { text: 'a snapshot could not be read; it is tried again' }),
    ),
    clock: new StoreClock(store.database),
    telemetry: store.telemetry,
    assertEnvironment: (environment) => assertEnvironment(store.database, environments, environment),
  }
  lives.set(app, live)
  const stopSealing = sealWhileListening(app, live.telemetry, log)
  // A client's spare connection that never carried a request counts as busy and would hold up the end for a minute.
  app.addHook('preClose', async () => {
    setTimeout(() => app.server.closeAllConnections(), closeGraceMs).unref()
  })
  app.addHook('onClose', async () => {
    await stopSealing()
    await live.hub.close()
  })
  return live
}

/** A misspelt environment is told at once; a silent one would serve nothing for ever. */
async function assertEnvironment(database: Database, known: Set<string>, environment: string): Promise<void> {
  if (known.has(environment)) return
  if ((await database.collection('lanes').findOne({ environment }, { projection: { _id: 1 } })) === null) {
    const text = `There is no environment ${JSON.stringify(environment)}: nothing was ever deployed in it.`
    throw new SluiceError('unknown_environment', text, { known: [...known] })
  }
  known.add(environment)
}

/** Units are sealed, and told values joined, by whichever server comes first; a failed round is repeated by the next. */
function sealWhileListening(app: App, telemetry: Telemetry, log: Log | undefined): () => Promise<void> {
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  const round = async (): Promise<void> => {
    try {
      // By turns: where conversations end all the time there is always one more to be sealed.
      while ((await telemetry.seal()) + (await telemetry.join()) > 0 && timer !== undefined);
    } catch (error) {
      logFault(log, error, { text: 'sealing failed; the next round repeats it' })
    }
  }
  app.addHook('onListen', async () => {
    timer = setInterval(() => {
      running ??= round().finally(() => {
        running = undefined
      })
    }, sealEveryMs)
    timer.unref()
  })
  return async () => {
    clearInterval(timer)
    timer = undefined
    await running
  }
}
