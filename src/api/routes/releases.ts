import { z } from 'zod'
import { effects } from '../../domain/effect'
import { planText } from '../../domain/plan'
import { commandNames } from '../../domain/release'
import { rolloutEnvironment } from '../../domain/rollout'
import type { Digest } from '../../domain/version'
import { metrics } from '../../metrics'
import { judge, openRelease } from '../../store/assessor'
import { digestOf } from '../../store/canonical'
import { decisionKinds } from '../../store/releases'
import type { ApiDeps, App } from '../app'
import { page } from '../catalog-schemas'
import { defined } from '../defined'
import { attemptId } from '../idempotency'
import { reason } from '../reason'
import { commandRelease, startRelease, viewRelease } from '../release-commands'

const name = z.string().min(1).max(200)

export const releaseRequest = z.strictObject({
  task: name,
  change: z.record(name, name),
  why: reason,
  expect: reason.optional(),
  policy: name.optional(),
  breakGlass: reason.optional(),
})

const commandBody = z.strictObject({ reason, plan: name.optional() })
const id = z.strictObject({ id: z.string().regex(/^[0-9A-HJKMNP-TV-Z]{26}$/, 'is not a release id') })
const anything = z.record(z.string(), z.unknown())

/** Plans, releases, their decisions and figures, and the commands that steer them. */
export function releaseRoutes(app: App, deps: ApiDeps): void {
  planRoutes(app, deps)
  readRoutes(app, deps)
  app.post(
    '/v1/releases',
    { schema: { body: releaseRequest, response: { 201: anything } } },
    async (request, reply) => {
      const record = await startRelease(deps, defined(request.body), request.principal.name, attemptId(request))
      return reply.status(201).send({ ...record })
    },
  )
  for (const command of commandNames) {
    app.post(
      `/v1/releases/:id/${command}`,
      { schema: { params: id, body: commandBody, response: { 200: anything } } },
      async (request) => {
        const payload = { by: request.principal.name, ...defined(request.body) }
        return { ...(await commandRelease(deps, request.params.id, command, payload)) }
      },
    )
  }
}

function planRoutes(app: App, { store, endpoints }: ApiDeps): void {
  app.post('/v1/plans', { schema: { body: releaseRequest, response: { 200: anything } } }, async (request) => {
    const plan = await store.planner.plan(defined(request.body), endpoints)
    return { digest: digestOf(plan), text: planText(plan), plan }
  })
  const digest = z.strictObject({ digest: z.string().regex(/^sha256:[0-9a-f]{64}$/, 'is not a digest') })
  app.get('/v1/plans/:digest', { schema: { params: digest, response: { 200: anything } } }, async (request) => {
    const plan = await store.releases.plan(request.params.digest as Digest)
    return { digest: request.params.digest, text: planText(plan), plan }
  })
}

const maxListed = 500
const defaultListed = 100

function readRoutes(app: App, deps: ApiDeps): void {
  const { store } = deps
  const limit = z.coerce.number().int().min(1).max(maxListed).optional()
  const query = z.strictObject({
    task: name.optional(),
    after: name.optional(),
    limit,
    open: z.stringbool().optional(),
  })
  const listed = z.object({ items: z.array(anything), next: z.string().optional() })
  app.get('/v1/releases', { schema: { querystring: query, response: { 200: listed } } }, async (request) => {
    const asked = request.query.limit ?? defaultListed
    const found = await store.releases.list({ ...defined(request.query), limit: asked + 1 })
    const { items, next } = page(found, asked, (record) => record.id)
    return { items: items.map((record) => ({ ...record })), ...(next === undefined ? {} : { next }) }
  })
  app.get('/v1/releases/:id', { schema: { params: id, response: { 200: anything } } }, async (request) => ({
    ...(await viewRelease(deps, request.params.id)),
  }))
  const after = z.strictObject({
    after: z.coerce.number().int().min(0).optional(),
    limit,
    /** False: without the looks that are kept between decisions. */
    checkpoints: z.stringbool().default(true),
  })
  app.get(
    '/v1/releases/:id/decisions',
    { schema: { params: id, querystring: after, response: { 200: z.object({ items: z.array(anything) }) } } },
    async (request) => {
      await store.releases.get(request.params.id)
      const { checkpoints, ...page } = defined(request.query)
      const wanted = { ...page, ...(checkpoints ? {} : { kinds: decisionKinds }) }
      const found = await store.releases.decisions(request.params.id, wanted)
      return { items: found.map((decision) => ({ ...decision })) }
    },
  )
  app.get('/v1/releases/:id/metrics', { schema: { params: id, response: { 200: anything } } }, async (request) => {
    const file = await openRelease(store, request.params.id)
    const lane = { environment: rolloutEnvironment(file.policy), task: file.plan.task }
    const [{ assessment, input }, percentiles] = await Promise.all([
      judge(store, file),
      store.telemetry.read.percentilesOf({ ...lane, releaseId: file.record.id }),
    ])
    const facts = Object.values(metrics).map(({ name, label, unit, direction }) => ({ name, label, unit, direction }))
    const { strata, spend } = input
    return { assessment, percentiles, strata, spend, effects: effects(input), metrics: facts }
  })
}
