import { z } from 'zod'
import { type CapturedContent, captureBounds } from '../../domain/capture'
import { loggedRequest } from '../../store/explainer'
import type { ApiDeps, App } from '../app'
import { page, pageOf, pageQuery } from '../catalog-schemas'
import { onceKey } from '../idempotency'
import { liveOf } from '../live'
import { reason } from '../reason'

const id = z.string().min(1).max(256)
const text = z.string()
const count = z.number().int().min(0)
const dayMs = 24 * 3_600_000
const maxRetentionDays = 180
export const defaultRetentionDays = 30
const maxListed = 500

const inputSchema = z.record(z.string().max(200), z.union([z.string(), z.number(), z.boolean()]))
const contentSchema = z
  .strictObject({
    requestId: id,
    task: id,
    tenant: id,
    conversation: id,
    input: inputSchema.optional(),
    output: z.unknown().optional(),
  })
  .refine(
    ({ input, output }) => Buffer.byteLength(JSON.stringify({ input, output })) <= captureBounds.contentBytes,
    `is larger than ${captureBounds.contentBytes} bytes`,
  )

const policySchema = z.object({
  environment: text,
  task: text,
  basisPoints: count,
  retentionMs: count,
  by: text,
  reason: text,
  at: count,
})
const statusSchema = policySchema.extend({ kept: count, bytes: count })
const auditSchema = z.object({
  id: text,
  act: z.enum(['policy', 'read', 'reproduce', 'erase']),
  by: text,
  reason: text,
  at: count,
  environment: text.optional(),
  task: text.optional(),
  basisPoints: count.optional(),
  requestId: text.optional(),
  conversationId: text.optional(),
})

/** Opt-in capture: what is asked for, what applications hand over, reading, erasing, and who did what. */
export function captureRoutes(app: App, deps: ApiDeps): void {
  policyRoutes(app, deps)
  deliveryRoute(app, deps)
  contentRoutes(app, deps)
}

function policyRoutes(app: App, deps: ApiDeps): void {
  const { store } = deps
  const live = liveOf(app, deps)
  const body = z.strictObject({
    basisPoints: count.max(10_000),
    retentionDays: z.number().positive().max(maxRetentionDays).default(defaultRetentionDays),
    reason,
  })
  const params = z.strictObject({ env: z.string().min(1).max(63), task: id })
  app.put(
    '/v1/environments/:env/tasks/:task/capture',
    { schema: { params, body, response: { 200: policySchema } } },
    async (request) => {
      const { env, task } = request.params
      const { basisPoints, retentionDays, reason: why } = request.body
      await store.catalog.task(task)
      await live.assertEnvironment(env)
      const lane = { environment: env, task }
      const retentionMs = Math.round(retentionDays * dayMs)
      const change = { ...lane, basisPoints, retentionMs, by: request.principal.name, reason: why }
      return store.captures.setPolicy(change, onceKey(request, 'capture-policy'))
    },
  )
  const query = z.strictObject({ environment: z.string().max(63).optional() })
  const listed = z.object({
    items: z.array(statusSchema).readonly(),
    lost: z.object({ dropped: count, refused: count }),
  })
  app.get('/v1/captures', { schema: { querystring: query, response: { 200: listed } } }, async (request) => {
    const { environment } = request.query
    return { items: await store.captures.policies(environment), lost: await store.captures.lost(environment) }
  })
}

/** Contents are judged one by one, and refusing one is no error: an application cannot do anything about it. */
function deliveryRoute(app: App, deps: ApiDeps): void {
  const live = liveOf(app, deps)
  const body = z.strictObject({
    reporter: z.string().regex(/^[0-9A-Za-z_-]{8,64}$/),
    environment: z.string().max(63),
    dropped: count.max(1e9),
    captures: z.array(z.unknown()).max(captureBounds.batchContents),
  })
  const response = { 200: z.object({ taken: count, refused: count }) }
  app.post(
    '/v1/captures',
    { config: { access: 'app', neverKept: true }, schema: { body, response } },
    async (request) => {
      const { reporter, environment, dropped, captures } = request.body
      await live.assertEnvironment(environment)
      await live.telemetry.reporters.assertOwned(reporter, request.principal.name)
      const contents = captures.flatMap((one) => {
        const parsed = contentSchema.safeParse(one)
        return parsed.success ? [parsed.data as CapturedContent] : []
      })
      const { taken } = await deps.store.captures.take({ reporter, environment, dropped, contents })
      return { taken, refused: captures.length - taken }
    },
  )
}

function contentRoutes(app: App, { store }: ApiDeps): void {
  const params = z.object({ id })
  const content = z.object({ requestId: text, input: inputSchema.optional(), output: z.unknown().optional() })
  const why = z.strictObject({ reason: reason.default('read through the API') })
  app.get(
    '/v1/requests/:id/capture',
    { schema: { params, querystring: why, response: { 200: content } } },
    async ({ params: { id: requestId }, query, principal }) => {
      const author = { by: principal.name, reason: query.reason }
      return { requestId, ...(await store.captures.read(await loggedRequest(store, requestId), author)) }
    },
  )
  const which = z.strictObject({ tenant: id, conversation: id, reason: reason.default('erasure was asked for') })
  const erased = z.object({ at: count, by: text, reason: text, erasedNow: z.boolean() })
  app.delete(
    '/v1/captures',
    { schema: { querystring: which, response: { 200: erased } } },
    async ({ query, principal }) => {
      const { tenant, conversation, reason: because } = query
      return store.captures.erase(tenant, conversation, { by: principal.name, reason: because })
    },
  )
  const listing = z.strictObject({ ...pageQuery, limit: z.coerce.number().int().min(1).max(maxListed).default(100) })
  app.get(
    '/v1/captures/audit',
    { schema: { querystring: listing, response: { 200: pageOf(auditSchema) } } },
    async ({ query: { after, limit } }) => {
      const found = await store.captures.audit({ limit: limit + 1, ...(after === undefined ? {} : { after }) })
      return page(found, limit, (act) => act.id)
    },
  )
}
