import { z } from 'zod'
import { risks } from '../../domain/plan'
import { SluiceError } from '../../errors'
import type { ApiDeps, App } from '../app'
import { changeClassSchema, changeSchema, kindSchema } from '../catalog-schemas'
import { compositeOfRef } from '../composite-ref'

const suggestedSchema = z.object({ bump: z.enum(['none', 'patch', 'minor', 'major']), label: z.string().optional() })

const dependentsSchema = z.object({
  tasks: z.array(z.string()),
  taskCount: z.number(),
  tenants: z.array(z.string()),
  tenantCount: z.number(),
  consumers: z.array(
    z.object({ ref: z.string(), kind: kindSchema, key: z.string(), task: z.string().optional(), text: z.string() }),
  ),
  consumerCount: z.number(),
})

const measuredSchema = z.discriminatedUnion('state', [
  z.object({ state: z.literal('not_measured') }),
  z.object({
    state: z.literal('measured'),
    shifting: z.boolean(),
    verdict: z.enum(['pass', 'fail', 'no_evidence']),
    suite: z.string(),
    policy: z.string(),
    evaluationId: z.string(),
    at: z.number(),
    void: z.boolean(),
    shift: z.object({ field: z.string(), changedShare: z.number(), margin: z.number() }).optional(),
  }),
])

const roleSchema = z.object({
  role: z.string(),
  kind: kindSchema,
  from: z.string().optional(),
  to: z.string().optional(),
  changeClass: changeClassSchema,
  changes: z.array(changeSchema),
  suggested: suggestedSchema,
})

/** Two versions of one kind answer `kind` and `changes`; two composites answer `risk`, `roles` and `measured`. */
const diffSchema = z.object({
  from: z.string(),
  to: z.string(),
  changeClass: changeClassSchema,
  suggested: suggestedSchema,
  dependents: dependentsSchema,
  kind: kindSchema.optional(),
  changes: z.array(changeSchema).optional(),
  risk: z.enum(risks).optional(),
  roles: z.array(roleSchema).optional(),
  measured: measuredSchema.optional(),
})
type DiffView = z.infer<typeof diffSchema>

export function diffRoutes(app: App, deps: ApiDeps): void {
  const { differ, ledger } = deps.store
  const ref = z.string().min(1).max(300)
  app.get(
    '/v1/diff',
    { schema: { querystring: z.strictObject({ from: ref, to: ref }), response: { 200: diffSchema } } },
    async ({ query: { from, to } }) => {
      const [before, after] = [await compositeOfRef(ledger, from), await compositeOfRef(ledger, to)]
      if (before !== undefined && after !== undefined) return (await differ.composites(before, after)) as DiffView
      if (before === undefined && after === undefined) return (await differ.versions(from, to)) as DiffView
      throw new SluiceError('invalid_request', `${from} and ${to} are a version and a composite: nothing to compare.`)
    },
  )
}
