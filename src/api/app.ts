import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { Endpoints } from '../engines/engine'
import type { Log } from '../log'
import type { KeyRole } from '../store/api-key'
import type { KeyHolder } from '../store/keys'
import type { Store } from '../store/store'
import type { Orchestrator } from '../temporal'

/** The fastify instance with zod schemas as types. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>

/** What routes may use. The composition root (`src/server.ts`) builds it. */
export interface ApiDeps {
  readonly store: Store
  readonly orchestrator: Orchestrator
  /** Where the engines of evaluations are. */
  readonly endpoints: Endpoints
  /** Queues the retraction of a settled release that is rolled back; absent: nobody is told. */
  readonly retract?: (releaseId: string) => Promise<unknown>
  /** Where faults of the server are written that no caller hears of; absent: nowhere. */
  readonly log?: Log
}

/** The authenticated caller; set on every request but health. */
export type Principal = KeyHolder
export const roles = ['app', 'admin'] as const satisfies readonly KeyRole[]

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal
  }
  interface FastifyContextConfig {
    /** `app`: SDK keys may call it too. Absent: admin only. `public`: health. */
    access?: 'public' | 'app'
  }
}
