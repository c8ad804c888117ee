import { z } from 'zod'
import { garbagePhases, garbageRunStates } from '../../domain/retention'
import { digestSchema } from '../../kinds/kind'
import type { ApiDeps, App } from '../app'
import { droppedSchema, kindSchema, page, pageOf, pageQuery } from '../catalog-schemas'

const maxDays = 3_650
const maxListed = 1_000
const text = z.string().min(1).max(300)
const tally = z.object({ count: z.number(), bytes: z.number() })
const totals = z.object({ versions: tally, outputs: tally, rows: tally, captures: tally })

const policyShape = {
  experimentDays: z.int().min(1).max(maxDays),
  uploadDays: z.int().min(1).max(maxDays),
  heavyBytes: z.int().min(0).max(1_000_000),
}
const settingSchema = z.object({
  ...policyShape,
  automatic: z.boolean(),
  by: z.string().optional(),
  reason: z.string().optional(),
  at: z.number().optional(),
})

const planSchema = z.object({
  policy: z.object(policyShape),
  at: z.number(),
  totals,
  items: z
    .array(
      z.object({
        ref: z.string(),
        kind: kindSchema,
        digest: digestSchema,
        what: z.enum(['content', 'rows']),
        bytes: z.number(),
        lastUsedAt: z.number(),
        why: z.string(),
      }),
    )
    .readonly(),
  kept: z.object({ needed: z.number(), versions: z.number() }),
})

const verdictSchema = z.object({
  ref: z.string(),
  digest: digestSchema,
  verdict: z.enum(['kept', 'light', 'recent', 'droppable', 'dropped']),
  path: z.array(z.string()).readonly(),
  dropped: droppedSchema.optional(),
})

const runSchema = z.object({
  id: z.string(),
  by: z.string(),
  state: z.enum(garbageRunStates),
  policy: z.object(policyShape),
  startedAt: z.number(),
  endedAt: z.number().optional(),
  phase: z.enum(garbagePhases).optional(),
  totals,
  failure: z.string().optional(),
})

/** What nothing needs any more: what a run would drop, and why a thing stays. Times are ms since the epoch. */
export function gcRoutes(app: App, deps: ApiDeps): void {
  planRoutes(app, deps)
  policyRoutes(app, deps)
  runRoutes(app, deps)
}

function planRoutes(app: App, { store }: ApiDeps): void {
  const limit = z.coerce.number().int().min(0).max(maxListed).default(50)
  const plan = { querystring: z.strictObject({ limit }), response: { 200: planSchema } }
  app.get('/v1/gc/plan', { schema: plan }, ({ query }) => store.garbage.plan(query.limit))
  const explain = { querystring: z.strictObject({ ref: text }), response: { 200: verdictSchema } }
  app.get('/v1/gc/explanation', { schema: explain }, ({ query }) => store.garbage.explain(query.ref))
}

function policyRoutes(app: App, { store }: ApiDeps): void {
  app.get('/v1/gc/policy', { schema: { response: { 200: settingSchema } } }, () => store.garbage.policy())
  const body = z.strictObject({ ...policyShape, automatic: z.boolean().default(false), reason: z.string().max(1_000) })
  const set = { body, response: { 200: settingSchema } }
  app.put('/v1/gc/policy', { schema: set }, ({ body: { reason, ...policy }, principal }) =>
    store.garbage.setPolicy(policy, { by: principal.name, reason }),
  )
}

/** Only one runs at a time: who asks for another one is given that, and its workflow is started again where it was lost. */
function runRoutes(app: App, { store, orchestrator }: ApiDeps): void {
  const one = { params: z.object({ id: text }), response: { 200: runSchema } }
  const start = { body: z.strictObject({}).optional(), response: { 202: runSchema } }
  app.post('/v1/gc/runs', { schema: start }, async ({ principal }, reply) => {
    const run = await store.garbage.open(principal.name)
    await orchestrator.startGarbage({ runId: run.id, by: run.by })
    return reply.status(202).send(run)
  })
  const many = { querystring: z.strictObject(pageQuery), response: { 200: pageOf(runSchema) } }
  app.get('/v1/gc/runs', { schema: many }, async ({ query: { after, limit } }) => {
    const found = await store.garbage.runs({ limit: limit + 1, ...(after === undefined ? {} : { after }) })
    return page(found, limit, ({ id }) => id)
  })
  app.get('/v1/gc/runs/:id', { schema: one }, ({ params: { id } }) => store.garbage.run(id))
  // In the store itself, so that it also holds at once where Temporal does not answer.
  app.post('/v1/gc/runs/:id/cancel', { schema: one }, ({ params: { id } }) => store.garbage.close(id, 'cancelled'))
}
