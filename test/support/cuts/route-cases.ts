import type { RouteCase } from './route-case'
import { captureCases } from './route-cases-captures'
import { catalogCases } from './route-cases-catalog'
import { laneCases } from './route-cases-lanes'
import { releaseCases } from './route-cases-releases'

/** Every mutating route has at least one; `cut-routes.test.ts` asks the server for them. */
export const routeCases: readonly RouteCase[] = [...catalogCases, ...laneCases, ...captureCases, ...releaseCases]
