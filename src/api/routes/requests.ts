import { z } from 'zod'
import { outcomes } from '../../domain/telemetry'
import { SluiceError } from '../../errors'
import type { ApiDeps, App } from '../app'
import { liveOf } from '../live'

const text = z.string()
const number = z.number()

const loggedRequestSchema = z.object({
  requestId: text,
  environment: text,
  reporter: text,
  task: text,
  seq: number,
  slice: number,
  arm: z.enum(['candidate', 'incumbent', 'none']),
  composite: text,
  tenant: text,
  conversation: text,
  reason: text,
  binding: text,
  at: number,
  outcome: z.enum(outcomes),
  latencyMs: number,
  inputTokens: number,
  cachedTokens: number,
  outputTokens: number,
  costUsd: number,
  uncachedCostUsd: number,
  cacheAgeMs: number,
  headSeq: number,
  tenantSeq: number,
  stale: z.boolean(),
  model: text.optional(),
  fingerprint: text.optional(),
  branch: text.optional(),
})

/** The request log, one served request at a time. */
export function requestRoutes(app: App, deps: ApiDeps): void {
  const { telemetry } = liveOf(app, deps)
  app.get(
    '/v1/requests/:id',
    { schema: { params: z.object({ id: text.min(1).max(256) }), response: { 200: loggedRequestSchema } } },
    async (request) => {
      const found = await telemetry.requests.find(request.params.id)
      if (!found) throw new SluiceError('not_found', `No request ${request.params.id} is in the log.`)
      return found
    },
  )
}
