import { z } from 'zod'
import { shadowBounds } from '../../domain/shadow'
import { judgeShadow } from '../../domain/shadow-judgement'
import { largestOutput, maxOutputClasses, maxOutputFields } from '../../domain/telemetry-outputs'
import { openRelease } from '../../store/assessor'
import type { ApiDeps, App } from '../app'
import { liveOf } from '../live'

const id = z.string().min(1).max(256)
const releaseId = z.string().regex(/^[0-9A-Za-z-]{1,64}$/, 'is not a release id')
const usd = z.number().min(0).max(1e5)

const answerSchema = z.strictObject({
  outcome: z.enum(['ok', 'error', 'schema_failure']),
  latencyMs: z.number().min(0).max(1e10),
  costUsd: usd,
  uncachedCostUsd: usd,
})
const outputSchema = z.union([
  z.strictObject({ class: z.number().int().min(0).max(maxOutputClasses) }),
  z.strictObject({ number: z.number().min(-largestOutput).max(largestOutput) }),
])
const pairSchema = z.strictObject({
  releaseId,
  task: id,
  requestId: id,
  tenant: id,
  unit: z.string().regex(/^[0-9a-f]{16}$/),
  at: z.number().min(0).max(1e14),
  candidate: answerSchema,
  incumbent: answerSchema,
  outputs: z
    .array(z.tuple([outputSchema, outputSchema]).readonly().nullable())
    .max(maxOutputFields)
    .readonly()
    .exactOptional(),
})
const bodySchema = z.strictObject({
  reporter: z.string().regex(/^[0-9A-Za-z_-]{8,64}$/),
  environment: z.string().max(63),
  pairs: z.array(pairSchema).max(shadowBounds.batch),
})

const judgementSchema = z.object({
  /** `open`: copies are answered now. */
  state: z.enum(['none', 'open', 'ended']),
  verdict: z.enum(['pass', 'fail', 'different', 'waiting']).optional(),
  verdicts: z.array(z.record(z.string(), z.unknown())).readonly(),
  units: z.number(),
  pairs: z.number(),
  usd: z.number(),
  minimumSample: z.number().optional(),
})

/** What applications tell of a shadow, and how it stands. */
export function shadowRoutes(app: App, deps: ApiDeps): void {
  const { store } = deps
  const live = liveOf(app, deps)
  const response = { 200: z.object({ taken: z.number(), holdMs: z.number() }) }
  app.post(
    '/v1/shadow',
    { config: { access: 'app', neverKept: true }, schema: { body: bodySchema, response } },
    async ({ body: { reporter, environment, pairs }, principal }) => {
      await live.assertEnvironment(environment)
      await live.telemetry.reporters.assertOwned(reporter, principal.name)
      return store.shadows.take(environment, pairs, principal.name)
    },
  )
  const params = z.strictObject({ id: releaseId })
  app.get(
    '/v1/releases/:id/shadow',
    { schema: { params, response: { 200: judgementSchema } } },
    async ({ params: { id: release } }) => {
      const { policy, plan } = await openRelease(store, release)
      const { shadow } = policy
      if (plan.shadow === undefined || shadow === undefined) {
        return { state: 'none' as const, verdicts: [], units: 0, pairs: 0, usd: 0 }
      }
      const judged = judgeShadow({ ...policy, shadow }, await store.shadows.units(release))
      const { verdict, units, pairs } = judged
      return {
        state: (await store.shadows.find(release)) === undefined ? ('ended' as const) : ('open' as const),
        verdict,
        verdicts: judged.verdicts.map((row) => ({ ...row })),
        units,
        pairs,
        usd: await store.shadows.spent(release),
        minimumSample: shadow.minimumSample,
      }
    },
  )
}
