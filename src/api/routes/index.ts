import type { ApiDeps, App } from '../app'
import { openApiRoute } from '../openapi'
import { artifactRoutes } from './artifacts'
import { auditRoutes } from './audit'
import { backtestRoutes } from './backtests'
import { captureRoutes } from './captures'
import { compositeRoutes } from './composites'
import { datasetRoutes } from './datasets'
import { diffRoutes } from './diff'
import { evaluationRoutes } from './evaluations'
import { gcRoutes } from './gc'
import { healthRoutes } from './health'
import { keyRoutes } from './keys'
import { laneRoutes } from './lanes'
import { leakRoutes } from './leaks'
import { lineageRoutes } from './lineage'
import { notesRoutes } from './notes'
import { providerRoutes } from './providers'
import { releaseRoutes } from './releases'
import { reproductionRoutes } from './reproductions'
import { requestRoutes } from './requests'
import { rescoreRoutes } from './rescores'
import { resolveRoutes } from './resolve'
import { shadowRoutes } from './shadows'
import { snapshotRoutes } from './snapshot'
import { taskRoutes } from './tasks'
import { telemetryRoutes } from './telemetry'
import { tenantRoutes } from './tenants'

/** Every resource of the API; a new one is a file and a line here. */
export const routes: readonly ((app: App, deps: ApiDeps) => void)[] = [
  healthRoutes,
  releaseRoutes,
  laneRoutes,
  tenantRoutes,
  openApiRoute,
  artifactRoutes,
  datasetRoutes,
  diffRoutes,
  compositeRoutes,
  lineageRoutes,
  taskRoutes,
  evaluationRoutes,
  rescoreRoutes,
  leakRoutes,
  notesRoutes,
  snapshotRoutes,
  resolveRoutes,
  telemetryRoutes,
  requestRoutes,
  captureRoutes,
  shadowRoutes,
  reproductionRoutes,
  providerRoutes,
  auditRoutes,
  backtestRoutes,
  gcRoutes,
  keyRoutes,
]
