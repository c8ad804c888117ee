import { z } from 'zod'
import { digestSchema } from '../../kinds/kind'
import type { ReleaseBacktest } from '../../store/backtests'
import type { ApiDeps, App } from '../app'
import { digestOfRef } from '../version-ref'

const policy = z.string().min(1).max(300)
const action = z.enum(['continue', 'pause', 'rollback'])

const verdictSchema = z.object({
  name: z.string(),
  role: z.enum(['rollback', 'pause', 'notify']),
  verdict: z.enum(['pass', 'fail', 'no_evidence', 'not_applicable', 'not_recorded']),
  reason: z.string(),
  /** `null` stands for what JSON cannot write: infinite evidence. */
  candidate: z.number().nullish(),
  incumbent: z.number().nullish(),
  statistic: z.number().nullish(),
  threshold: z.number().nullish(),
  text: z.string(),
})

const lookSchema = z.object({
  seq: z.number(),
  at: z.number(),
  kind: z.enum(['assessment', 'advance', 'settle', 'pause', 'rollback']),
  step: z.string().optional(),
  units: z.object({ candidate: z.number(), incumbent: z.number() }),
  did: z.object({ action, mayAdvance: z.boolean(), verdicts: z.array(verdictSchema).readonly() }),
  would: z.object({
    action,
    mayAdvance: z.boolean(),
    waitingFor: z.array(z.string()).readonly(),
    verdicts: z.array(verdictSchema).readonly(),
  }),
  refused: z.boolean(),
  differs: z.boolean(),
  after: z.boolean(),
  sourcesNotRecorded: z.boolean(),
})

const momentSchema = z.object({
  seq: z.number(),
  at: z.number(),
  after: z.number().optional(),
  reasons: z.array(z.string()).readonly(),
  sourcesNotRecorded: z.boolean(),
})

const shape = {
  release: z.string(),
  task: z.string(),
  createdAt: z.number(),
  end: z.object({ phase: z.string(), rolledBackByGuardrail: z.boolean(), pausedByGuardrail: z.boolean() }),
  outcome: z.enum([
    'no_evidence',
    'same',
    'would_have_rolled_back',
    'would_not_have_rolled_back',
    'would_have_paused',
    'would_not_have_paused',
    'would_have_waited',
  ]),
  hadPolicy: digestSchema.optional(),
  policy: digestSchema,
  decidedBy: z.array(z.string()).readonly(),
  judgedBy: z.string(),
  firstPause: momentSchema.optional(),
  firstRollback: momentSchema.optional(),
  refused: z.array(momentSchema).readonly(),
  notRecorded: z.array(z.object({ name: z.string(), what: z.string(), looks: z.number() })).readonly(),
  longestGapMs: z.number(),
  same: z.number(),
}
const releaseSchema = z.object({ ...shape, looks: z.array(lookSchema).readonly() })
const taskSchema = z.object({ items: z.array(z.object({ ...shape, looks: z.number() })).readonly() })

const maxReleases = 50
const defaultReleases = 10

/** Old releases under another policy: what it would have done with the evidence that was recorded. Writes nothing. */
export function backtestRoutes(app: App, { store }: ApiDeps): void {
  const release = {
    params: z.strictObject({ id: z.string().regex(/^[0-9A-HJKMNP-TV-Z]{26}$/, 'is not a release id') }),
    querystring: z.strictObject({ policy }),
    response: { 200: releaseSchema },
  }
  app.get('/v1/releases/:id/backtest', { schema: release }, async ({ params, query }): Promise<ReleaseBacktest> => {
    return store.backtests.release(params.id, await digestOfRef(store.catalog, 'policy', query.policy))
  })
  const task = {
    params: z.strictObject({ task: z.string().min(1).max(200) }),
    querystring: z.strictObject({
      policy,
      last: z.coerce.number().int().min(1).max(maxReleases).default(defaultReleases),
    }),
    response: { 200: taskSchema },
  }
  app.get('/v1/tasks/:task/backtest', { schema: task }, async ({ params, query }) => {
    await store.catalog.task(params.task)
    const digest = await digestOfRef(store.catalog, 'policy', query.policy)
    return { items: await store.backtests.task(params.task, digest, query.last) }
  })
}
