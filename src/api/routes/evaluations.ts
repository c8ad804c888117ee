import { z } from 'zod'
import type { Digest } from '../../domain/version'
import { SluiceError } from '../../errors'
import { digestSchema } from '../../kinds/kind'
import { compareStored } from '../../store/evaluation-outcomes'
import type { EvaluationRun } from '../../store/evaluations'
import type { Store } from '../../store/store'
import type { ApiDeps, App } from '../app'
import { page, pageOf, pageQuery } from '../catalog-schemas'
import { createEvaluationRunner } from '../evaluation-runner'
import { evaluationRunSchema, evaluationSchema, storedComparisonSchema, verdictSchema } from '../evaluation-schemas'
import { attemptId } from '../idempotency'
import { digestOfRef } from '../version-ref'

/** A run without progress for so long has lost its process. */
const silentMs = 60_000

const id = z.string().min(1).max(200)
const ref = z.string().min(1).max(300)
/** A composite by its id, or by role → reference; the latter is committed. */
const compositeInput = z.union([digestSchema, z.record(z.string(), z.string())])

/** Running suites, reading what came of it, and comparing what is stored. */
export function evaluationRoutes(app: App, deps: ApiDeps): void {
  startRoute(app, deps)
  readRoutes(app, deps)
  compareRoute(app, deps)
}

function startRoute(app: App, deps: ApiDeps): void {
  const { store } = deps
  const runner = createEvaluationRunner(deps)
  app.addHook('onClose', () => runner.stop())
  const schema = {
    params: z.strictObject({ ref }),
    body: z.strictObject({
      candidate: compositeInput,
      incumbent: compositeInput.optional(),
      policy: ref.optional(),
    }),
    response: { 202: evaluationRunSchema },
  }
  app.post('/v1/suites/:ref/evaluations', { schema }, async (request, reply) => {
    const { params, body, principal } = request
    const suite = await digestOfRef(store.catalog, 'suite', params.ref)
    const incumbent = body.incumbent === undefined ? undefined : await compositeOf(store, body.incumbent)
    const order = {
      suite,
      policy:
        body.policy === undefined
          ? await policyOfSuite(store, suite)
          : await digestOfRef(store.catalog, 'policy', body.policy),
      candidate: await compositeOf(store, body.candidate, incumbent),
      ...(incumbent === undefined ? {} : { incumbent }),
      by: principal.name,
    }
    const run = await runner.start(order, attemptId(request))
    return reply.status(202).send(view(run, await store.database.now()))
  })
}

/** One that is committed for this run comes from what it is compared with. */
async function compositeOf(store: Store, input: z.infer<typeof compositeInput>, parent?: Digest): Promise<Digest> {
  if (typeof input !== 'string') return (await store.catalog.commitComposite(input, parent ? [parent] : [])).id
  return (await store.catalog.composite(input)).id
}

/** The policy of the tasks that use the suite, where they agree on one. */
async function policyOfSuite(store: Store, suite: Digest): Promise<Digest> {
  const tasks = (await store.catalog.tasks()).filter((task) => task.suiteDigest === suite)
  const policies = [...new Set(tasks.map((task) => task.policyDigest))]
  const [only] = policies
  if (only && policies.length === 1) return only
  throw new SluiceError('invalid_request', 'No single policy belongs to this suite: name one as `policy`.', {
    policies,
  })
}

function view(run: EvaluationRun, now: number) {
  return { ...run, interrupted: run.state === 'running' && now - run.updatedAt > silentMs }
}

function readRoutes(app: App, { store }: ApiDeps): void {
  const one = { params: z.strictObject({ id }), response: { 200: evaluationSchema } }
  app.get('/v1/evaluations/:id', { schema: one }, async ({ params }) => {
    const run = await store.evaluations.get(params.id)
    const verdict = await store.evidence.verdictOf(params.id)
    return { ...view(run, await store.database.now()), ...(verdict ? { verdict } : {}) }
  })
  const many = { querystring: z.strictObject(pageQuery), response: { 200: pageOf(evaluationRunSchema) } }
  app.get('/v1/evaluations', { schema: many }, async ({ query }) => {
    const { after, limit } = query
    const runs = await store.evaluations.list({ limit: limit + 1, ...(after === undefined ? {} : { after }) })
    const now = await store.database.now()
    return page(
      runs.map((run) => view(run, now)),
      limit,
      (run) => run.id,
    )
  })
  const verdicts = {
    querystring: z.strictObject({ ...pageQuery, candidate: digestSchema.optional(), suite: digestSchema.optional() }),
    response: { 200: pageOf(verdictSchema) },
  }
  app.get('/v1/verdicts', { schema: verdicts }, async ({ query }) => {
    const { candidate, suite, after, limit } = query
    const filter = { ...(candidate ? { candidate } : {}), ...(suite ? { suite } : {}), ...(after ? { after } : {}) }
    const found = await store.evidence.verdicts({ ...filter, limit: limit + 1 })
    return page(found, limit, (verdict) => verdict.id)
  })
}

function compareRoute(app: App, { store }: ApiDeps): void {
  const schema = {
    body: z.strictObject({ before: id, after: id }),
    response: { 200: storedComparisonSchema },
  }
  app.post('/v1/evaluations/compare', { schema }, async ({ body }) => {
    const [before, after] = [await store.evaluations.get(body.before), await store.evaluations.get(body.after)]
    const scored = (run: EvaluationRun) => ({ suite: run.suite, composite: run.candidate })
    return compareStored({ catalog: store.catalog, results: store.evidence.results }, scored(before), scored(after))
  })
}
