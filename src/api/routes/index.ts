import type { ApiDeps, App } from '../app'
import { healthRoutes } from './health'
import { notesRoutes } from './notes'
import { requestRoutes } from './requests'
import { resolveRoutes } from './resolve'
import { snapshotRoutes } from './snapshot'
import { telemetryRoutes } from './telemetry'

/** Every resource of the API; a new one is a file and a line here. */
export const routes: readonly ((app: App, deps: ApiDeps) => void)[] = [
  healthRoutes,
  notesRoutes,
  snapshotRoutes,
  resolveRoutes,
  telemetryRoutes,
  requestRoutes,
]
