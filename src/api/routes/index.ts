import type { ApiDeps, App } from '../app'
import { healthRoutes } from './health'

/** Every resource of the API; a new one is a file and a line here. */
export const routes: readonly ((app: App, deps: ApiDeps) => void)[] = [healthRoutes]
