import { z } from 'zod'
import { rescoreStates } from '../../domain/rescore'
import { SluiceError } from '../../errors'
import { digestSchema } from '../../kinds/kind'
import { planRescore, rescoreCosts } from '../../store/rescore-plan'
import type { Rescore } from '../../store/rescores'
import { scoresBySuite } from '../../store/suite-scores'
import type { ApiDeps, App } from '../app'
import { page, pageOf, pageQuery } from '../catalog-schemas'
import { compositeOfRef } from '../composite-ref'
import { digestOfRef } from '../version-ref'

const maxRecent = 100
const defaultRecent = 10
const text = z.string().min(1).max(300)
const list = <T extends z.ZodType>(item: T) => z.array(item).readonly()
const verdict = z.enum(['pass', 'fail', 'no_evidence'])

const itemShape = {
  composite: digestSchema,
  incumbent: digestSchema.optional(),
  reason: z.enum(['serving', 'settled', 'recent']),
  places: list(z.string()),
}
const planSchema = z.object({
  task: z.string(),
  suite: digestSchema,
  policy: digestSchema,
  items: list(
    z.object({
      ...itemShape,
      /** Answered before, on this suite or another one. */
      freeCalls: z.number(),
      paidCalls: z.number(),
      /** Questions to judges that have no answer yet. */
      judgeCalls: z.number(),
      /** The paid calls and the judges' at their worst, USD. */
      worstUsd: z.number(),
      fault: z.string().optional(),
    }),
  ),
})
const rescoreShape = {
  id: z.string(),
  task: z.string(),
  suite: digestSchema,
  policy: digestSchema,
  by: z.string(),
  state: z.enum(rescoreStates),
  done: z.number(),
  failed: z.number(),
  of: z.number(),
  startedAt: z.number(),
  endedAt: z.number().optional(),
}
const rescoreSchema = z.object(rescoreShape)
const outcomeSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('scored'), verdict }),
  z.object({ kind: z.literal('failed'), code: z.string(), message: z.string() }),
])
const rescoreWithItems = z.object({
  ...rescoreShape,
  items: list(
    z.object({ ...itemShape, index: z.number(), evaluationId: z.string(), outcome: outcomeSchema.optional() }),
  ),
})
const scoresSchema = z.object({
  composite: digestSchema,
  items: list(
    z.object({
      suite: digestSchema,
      ref: z.string(),
      primary: z.string(),
      accuracy: z.object({ mean: z.number(), lower: z.number(), upper: z.number() }),
      results: z.number(),
      verdict,
      evaluationId: z.string(),
      at: z.number(),
    }),
  ),
})

/** Scoring what serves on a new version of a suite, and what each composite scored on which suite. */
export function rescoreRoutes(app: App, deps: ApiDeps): void {
  planRoute(app, deps)
  startRoute(app, deps)
  readRoutes(app, deps)
  scoresRoute(app, deps)
}

const task = z.object({ task: text })

/** A dry run: what would be scored, and at what cost. */
function planRoute(app: App, { store }: ApiDeps): void {
  const recent = z.coerce.number().int().min(0).max(maxRecent).default(defaultRecent)
  const schema = {
    params: task,
    querystring: z.strictObject({ suite: text, recent }),
    response: { 200: planSchema },
  }
  app.get('/v1/tasks/:task/rescore-plan', { schema }, async ({ params, query }) => {
    const suite = await digestOfRef(store.catalog, 'suite', query.suite)
    const plan = await planRescore(store, { task: params.task, suite, recent: query.recent })
    const costs = await rescoreCosts(store, plan)
    const free = { freeCalls: 0, paidCalls: 0, judgeCalls: 0, worstUsd: 0 }
    return { ...plan, items: plan.items.map((item, index) => ({ ...item, ...(costs[index] ?? free) })) }
  })
}

function startRoute(app: App, { store, orchestrator }: ApiDeps): void {
  const recent = z.int().min(0).max(maxRecent).default(defaultRecent)
  const schema = { params: task, body: z.strictObject({ suite: text, recent }), response: { 202: rescoreSchema } }
  app.post('/v1/tasks/:task/rescores', { schema }, async ({ params, body, principal }, reply) => {
    const suite = await digestOfRef(store.catalog, 'suite', body.suite)
    const plan = await planRescore(store, { task: params.task, suite, recent: body.recent })
    if (plan.items.length === 0) {
      const why = `Nothing serves ${params.task}, and nothing was scored lately: run \`sluice eval run\` instead.`
      throw new SluiceError('not_found', why, { task: params.task })
    }
    // A run that lost its workflow is given back by `open`, and its workflow starts again here.
    const run: Rescore = await store.rescores.open(plan, principal.name)
    await orchestrator.startRescore({ rescoreId: run.id, task: run.task, suite: body.suite, by: run.by })
    return reply.status(202).send(run)
  })
}

function readRoutes(app: App, { store }: ApiDeps): void {
  const one = { params: z.object({ id: text }), response: { 200: rescoreWithItems } }
  app.get('/v1/rescores/:id', { schema: one }, async ({ params: { id } }) => ({
    ...(await store.rescores.get(id)),
    items: await store.rescores.items(id),
  }))
  const many = {
    querystring: z.strictObject({ ...pageQuery, task: text.optional() }),
    response: { 200: pageOf(rescoreSchema) },
  }
  app.get('/v1/rescores', { schema: many }, async ({ query: { task, after, limit } }) => {
    const filter = { ...(task === undefined ? {} : { task }), ...(after === undefined ? {} : { after }) }
    const found = await store.rescores.list({ ...filter, limit: limit + 1 })
    return page(found, limit, ({ id }) => id)
  })
}

function scoresRoute(app: App, { store }: ApiDeps): void {
  const schema = { params: z.object({ id: text }), response: { 200: scoresSchema } }
  app.get('/v1/composites/:id/scores', { schema }, async ({ params: { id } }) => {
    const named = await compositeOfRef(store.ledger, id)
    if (named === undefined)
      throw new SluiceError('malformed_ref', `${id} is no composite: write sha256:… or task@environment.`)
    const composite = (await store.catalog.composite(named)).id
    return { composite, items: await scoresBySuite(store, composite) }
  })
}
