import { z } from 'zod'
import type { Digest } from '../../domain/version'
import { SluiceError } from '../../errors'
import { digestSchema } from '../../kinds/kind'
import type { Store } from '../../store/store'
import type { ApiDeps, App } from '../app'
import { kindSchema } from '../catalog-schemas'
import { compositeOfRef } from '../composite-ref'
import { createLeakageRunner } from '../leakage-runner'
import { digestOfRef } from '../version-ref'

const hitSchema = z.object({
  row: digestSchema,
  rowId: z.string().optional(),
  caseId: z.string(),
  case: digestSchema,
  match: z.enum(['row', 'text', 'near']),
  similarity: z.number(),
})

const proofSchema = z.object({
  id: digestSchema,
  kind: kindSchema,
  digest: digestSchema,
  cases: digestSchema,
  caseCount: z.number(),
  wordlessCases: z.number(),
  method: z.string(),
  rows: z.number(),
  leakedRows: z.number(),
  hitCount: z.number(),
  hits: z.array(hitSchema).readonly(),
  at: z.number(),
})

const sourceSchema = z.object({
  kind: kindSchema,
  digest: digestSchema,
  role: z.string(),
  path: z.array(z.string()).readonly(),
  proof: proofSchema.optional(),
  missing: z.string().optional(),
})

const reportShape = {
  composite: digestSchema,
  suite: digestSchema,
  result: z.enum(['pass', 'leaked', 'no_evidence']).optional(),
  sources: z.array(sourceSchema).readonly(),
  rows: z.number(),
  leakedRows: z.number(),
  hitCount: z.number(),
}
const doneSchema = z.object({ state: z.literal('done'), ...reportShape })
/** Times are milliseconds since the epoch. `progress` is of the run under way: rows compared, of how many. */
const runningSchema = z.object({
  state: z.literal('running'),
  ...reportShape,
  progress: z.object({ rows: z.number(), of: z.number() }),
})

/** Whether cases of a suite stand in what a composite was made from; what nobody compared yet is compared now. */
export function leakRoutes(app: App, { store }: ApiDeps): void {
  const runner = createLeakageRunner(store.leakage)
  app.addHook('onClose', () => runner.stop())
  const schema = {
    params: z.strictObject({ id: z.string().max(300) }),
    querystring: z.strictObject({ suite: z.string().min(1).max(300).optional() }),
    response: { 200: doneSchema, 202: runningSchema },
  }
  app.get('/v1/composites/:id/leaks', { schema }, async ({ params, query }, reply) => {
    const composite = await compositeOfRef(store.ledger, params.id)
    if (composite === undefined) {
      const text = `${params.id} is no composite: write sha256:…, task@sha256:… or task@environment.`
      throw new SluiceError('malformed_ref', text)
    }
    const suite =
      query.suite === undefined
        ? await suiteFor(store, composite, params.id)
        : await digestOfRef(store.catalog, 'suite', query.suite)
    const report = await store.leakage.known({ composite, suite })
    if (report.result !== undefined) return { state: 'done' as const, ...report }
    const progress = runner.follow({ composite, suite })
    return reply.status(202).send({ state: 'running', ...report, progress })
  })
}

/** Of `task@…` the suite of the task; else the one that it was last judged by, or the only one there is. */
async function suiteFor(store: Store, composite: Digest, text: string): Promise<Digest> {
  const [task, place] = text.split('@')
  if (task !== undefined && place !== undefined) return (await store.catalog.task(task)).suiteDigest
  const [last] = await store.evidence.verdicts({ candidate: composite, limit: 1 })
  if (last !== undefined) return last.suite
  const suites = [...new Set((await store.catalog.tasks()).map(({ suiteDigest }) => suiteDigest))]
  const [only] = suites
  if (only !== undefined && suites.length === 1) return only
  throw new SluiceError('invalid_request', 'No single suite belongs to this composite: name one as `suite`.', {
    suites,
  })
}
