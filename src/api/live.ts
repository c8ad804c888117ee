import { SluiceError } from '../errors'
import type { SnapshotSource } from '../store/snapshots'
import type { Telemetry } from '../store/telemetry'
import type { ApiDeps, App } from './app'
import { SnapshotHub } from './snapshot-hub'
import { StoreClock } from './store-clock'

/** What the routes of live traffic share within one server. */
export interface Live {
  readonly hub: SnapshotHub
  readonly clock: StoreClock
  readonly telemetry: Telemetry
  /** Throws `unknown_environment` for a name that no environment can have. */
  assertEnvironment(environment: string): void
}

const lives = new WeakMap<App, Live>()
const sealEveryMs = 1_000
const environmentShape = /^[a-z][a-z0-9-]{0,62}$/

/** The live part of this server, made at the first asking; it ends with the server. */
export function liveOf(app: App, deps: ApiDeps): Live {
  const known = lives.get(app)
  if (known) return known
  const { store } = deps
  const source: SnapshotSource = store
  const live: Live = {
    hub: new SnapshotHub(source),
    clock: new StoreClock(store.database),
    telemetry: store.telemetry,
    assertEnvironment(environment) {
      if (!environmentShape.test(environment)) {
        throw new SluiceError('unknown_environment', `No environment can be named ${JSON.stringify(environment)}.`)
      }
    },
  }
  lives.set(app, live)
  const stopSealing = sealWhileListening(app, live.telemetry)
  app.addHook('onClose', async () => {
    await stopSealing()
    await live.hub.close()
  })
  return live
}

/** Units are sealed by whichever server comes first; a failed round is repeated by the next. */
function sealWhileListening(app: App, telemetry: Telemetry): () => Promise<void> {
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  const round = async (): Promise<void> => {
    try {
      while ((await telemetry.seal()) > 0 && timer !== undefined);
    } catch (error) {
      app.log.warn(error, 'sealing failed; the next round repeats it')
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
