import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { roleRef } from '../../domain/task'
import { rings } from '../../domain/tenant'
import type { Digest } from '../../domain/version'
import { SluiceError } from '../../errors'
import type { TenantAuthor } from '../../store/tenants'
import type { ApiDeps, App } from '../app'
import { page } from '../catalog-schemas'
import { defined } from '../defined'
import { onceKey } from '../idempotency'
import { reason } from '../reason'

const id = z.string().min(1).max(256)
const tenantParams = z.strictObject({ tenant: id })
const taskParams = z.strictObject({ tenant: id, task: z.string().min(1).max(200) })
const anything = z.record(z.string(), z.unknown())
const listed = z.object({ items: z.array(anything), next: z.string().optional() })
const maxListed = 500
const paging = z.strictObject({
  after: id.optional(),
  limit: z.coerce.number().int().min(1).max(maxListed).default(maxListed),
})

/** Tenants: rings and contacts, subscriptions, opt-outs and overrides, and the inventory of overrides. */
export function tenantRoutes(app: App, deps: ApiDeps): void {
  const { tenants } = deps.store
  const settings = z.strictObject({
    ring: z.enum(rings).optional(),
    region: z.string().max(64).optional(),
    locale: z.string().max(35).optional(),
    contacts: z.array(z.string().max(320)).max(50).optional(),
    reason,
  })
  app.put(
    '/v1/tenants/:tenant',
    { schema: { params: tenantParams, body: settings, response: { 200: anything } } },
    async (request) => {
      const { reason: why, ...given } = request.body
      return {
        ...(await tenants.put(request.params.tenant, defined(given), authorOf(request, why))),
      }
    },
  )
  app.get('/v1/tenants', { schema: { querystring: paging, response: { 200: listed } } }, async ({ query }) => {
    const found = await tenants.list({ ...defined(query), limit: query.limit + 1 })
    const { items, next } = page(found, query.limit, ({ tenant }) => tenant)
    return { items: items.map((entry) => ({ ...entry })), ...(next === undefined ? {} : { next }) }
  })
  app.get('/v1/tenants/:tenant', { schema: { params: tenantParams, response: { 200: anything } } }, async (request) => {
    const current = await tenants.current(request.params.tenant)
    const history = await tenants.history(request.params.tenant)
    if (!current)
      throw new SluiceError(
        'not_found',
        `The tenant ${request.params.tenant} is not known; it is ring general by default.`,
      )
    return { current, history }
  })
  taskRoutes(app, deps)
  overrideRoutes(app, deps)
}

function taskRoutes(app: App, { store }: ApiDeps): void {
  const why = z.strictObject({ reason })
  const runs = z.strictObject({ reason, runs: z.boolean() })
  app.put(
    '/v1/tenants/:tenant/opt-outs/:task',
    { schema: { params: taskParams, body: why, response: { 200: anything } } },
    async (request) => {
      const { tenant, task } = request.params
      await store.catalog.task(task)
      return {
        ...(await store.tenants.optOut(tenant, task, authorOf(request, request.body.reason))),
      }
    },
  )
  app.put(
    '/v1/tenants/:tenant/tasks/:task',
    { schema: { params: taskParams, body: runs, response: { 200: anything } } },
    async (request) => {
      const { tenant, task } = request.params
      await store.catalog.task(task)
      const author = authorOf(request, request.body.reason)
      return { ...(await store.tenants.setRuns(tenant, task, request.body.runs, author)) }
    },
  )
}

/** A tenant is changed once, however often the same call is sent. */
function authorOf(request: FastifyRequest, because: string): TenantAuthor {
  const key = onceKey(request, 'tenant')
  return { by: request.principal.name, reason: because, ...(key === undefined ? {} : { key }) }
}

/** A tenant overrides prompt and filter, nothing else. */
const override = z
  .strictObject({ prompt: z.string().max(200).optional(), filter: z.string().max(200).optional(), reason })
  .refine(({ prompt, filter }) => prompt !== undefined || filter !== undefined, 'needs a prompt or a filter')

function overrideRoutes(app: App, { store }: ApiDeps): void {
  app.put(
    '/v1/tenants/:tenant/overrides/:task',
    { schema: { params: taskParams, body: override, response: { 200: anything } } },
    async (request) => {
      const { tenant, task: name } = request.params
      const task = await store.catalog.task(name)
      const base = await baseOf(store, name, task.policyDigest)
      const { reason: why, ...own } = request.body
      const moved = Object.entries(own).flatMap(([role, ref]) =>
        ref === undefined ? [] : [[role, roleRef(role, ref)]],
      )
      const kept = Object.entries(base.roles).map(([role, pin]) => [role, pin.ref])
      const roles = { ...Object.fromEntries(kept), ...Object.fromEntries(moved) }
      const composite = await store.catalog.commitComposite(roles, [base.id])
      const order = { tenant, task: name, base: base.id, composite: composite.id, policy: task.policyDigest }
      return { ...(await store.tenants.override(order, authorOf(request, why))) }
    },
  )
  app.delete(
    '/v1/tenants/:tenant/overrides/:task',
    { schema: { params: taskParams, querystring: z.strictObject({ reason }), response: { 200: anything } } },
    async (request) => {
      const { tenant, task } = request.params
      return {
        ...(await store.tenants.reset(tenant, task, authorOf(request, request.query.reason))),
      }
    },
  )
  app.get('/v1/overrides', { schema: { querystring: paging, response: { 200: listed } } }, async ({ query }) => {
    const found = await store.tenants.list({ ...defined(query), limit: query.limit + 1 })
    const { items: tenants, next } = page(found, query.limit, ({ tenant }) => tenant)
    const items = tenants.flatMap((entry) =>
      Object.entries(entry.state.tasks)
        .filter(([, settings]) => settings.override !== undefined || settings.optOut !== undefined)
        .map(([task, settings]) => ({
          tenant: entry.tenant,
          task,
          at: entry.at,
          by: entry.by,
          reason: entry.reason,
          ...settings,
        })),
    )
    return { items, ...(next === undefined ? {} : { next }) }
  })
}

/** An override is made from what serves where the task's policy rolls out, never from a candidate. */
async function baseOf(store: ApiDeps['store'], task: string, policy: Digest) {
  const { environments } = (await store.catalog.byDigest('policy', policy)).content as {
    environments: readonly string[]
  }
  const lane = await store.ledger.lane(environments.at(-1) ?? 'production', task)
  if (lane.incumbent === undefined)
    throw new SluiceError('not_found', `Nothing is settled for ${task} yet, so there is nothing to override.`)
  return store.catalog.composite(lane.incumbent)
}
