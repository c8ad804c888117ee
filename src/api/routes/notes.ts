import { z } from 'zod'
import { channelTypes } from '../../notify'
import { messageStates, type OutboxMessage } from '../../store/outbox'
import type { ApiDeps, App } from '../app'
import { onceKey } from '../idempotency'

const maxPage = 200
const page = { after: z.string().max(1_000).optional(), limit: z.coerce.number().int().min(1).max(maxPage).default(50) }
const id = z.string().min(1).max(1_000)

const summary = z.object({
  id: z.string(),
  release: z.string(),
  kind: z.string(),
  tenant: z.string(),
  channel: z.string(),
  state: z.enum(messageStates),
  attempts: z.number(),
  subject: z.string(),
  enqueuedAt: z.number(),
  dueAt: z.number(),
  lastError: z.string().optional(),
  receipt: z.string().optional(),
  deliveredAt: z.number().optional(),
})
const note = summary.extend({ markdown: z.string(), html: z.string(), data: z.unknown() })
const listed = <T extends z.ZodType>(items: T) => z.object({ items: z.array(items), next: z.string().optional() })

const channel = z.object({
  name: z.string(),
  type: z.enum(channelTypes),
  tenant: z.string().optional(),
  enabled: z.boolean(),
  options: z.record(z.string(), z.unknown()),
})
const channelPut = z.strictObject({
  type: z.enum(channelTypes),
  tenant: z.string().min(1).max(256).optional(),
  enabled: z.boolean().optional(),
  options: z.record(z.string(), z.unknown()).default({}),
})
const channelName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/)

/** Notes of releases, the outbox with its dead letters, and the channels that notes go through. */
export function notesRoutes(app: App, deps: ApiDeps): void {
  noteRoutes(app, deps)
  channelRoutes(app, deps)
}

function noteRoutes(app: App, { store }: ApiDeps): void {
  const ofRelease = {
    params: z.strictObject({ id }),
    querystring: z.strictObject({ tenant: z.string().min(1).optional(), ...page }),
    response: { 200: listed(note) },
  }
  app.get('/v1/releases/:id/notes', { schema: ofRelease }, async ({ params, query }) => {
    const { tenant, after, limit } = query
    return nextPage(await store.outbox.list({ release: params.id, limit, ...given({ tenant, after }) }), limit)
  })
  const ofOutbox = {
    querystring: z.strictObject({ state: z.enum(messageStates).optional(), ...page }),
    response: { 200: listed(summary) },
  }
  app.get('/v1/outbox', { schema: ofOutbox }, async ({ query }) => {
    const { state, after, limit } = query
    return nextPage(await store.outbox.list({ limit, ...given({ state, after }) }), limit)
  })
  const again = { params: z.strictObject({ id }), response: { 200: summary } }
  app.post('/v1/outbox/:id/resend', { schema: again }, async (request) => {
    const now = await store.database.now()
    return store.outbox.resend(request.params.id, request.principal.name, now, onceKey(request, 'resend'))
  })
}

function channelRoutes(app: App, { store }: ApiDeps): void {
  app.get('/v1/channels', { schema: { response: { 200: z.object({ items: z.array(channel) }) } } }, async () => ({
    items: await store.outbox.channels.list(),
  }))
  const put = {
    params: z.strictObject({ name: channelName }),
    body: channelPut,
    response: { 200: channel.extend({ made: z.record(z.string(), z.unknown()).optional() }) },
  }
  // The answer may show a secret that was just made, once: it is kept nowhere.
  app.put('/v1/channels/:name', { config: { neverKept: true }, schema: put }, async ({ params, body, principal }) => {
    const { type, options } = body
    const request = { name: params.name, type, options, ...given({ tenant: body.tenant, enabled: body.enabled }) }
    const { channel: set, made } = await store.outbox.channels.put(request, principal.name)
    return Object.keys(made).length === 0 ? set : { ...set, made }
  })
}

/** A full page may have a successor; asking for it costs one empty answer at most. */
function nextPage(items: readonly OutboxMessage[], limit: number): { items: OutboxMessage[]; next?: string } {
  const last = items.length === limit ? items.at(-1) : undefined
  return { items: [...items], ...(last ? { next: last.id } : {}) }
}

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

const given = <T extends object>(values: T): Given<T> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Given<T>
