import { z } from 'zod'
import { directions, type Lineage, lineageLimits } from '../../domain/lineage'
import { kindNames } from '../../domain/version'
import { parseKindName } from '../../kinds'
import { digestSchema } from '../../kinds/kind'
import type { DeployedThing } from '../../store/standing'
import type { ApiDeps, App } from '../app'
import { pageQuery, registeredSchema, registeredView, standingSchema, standingView } from '../catalog-schemas'
import { namedComposite } from '../composite-ref'
import { defined } from '../defined'

const nodeShape = { id: z.string(), digest: digestSchema, more: z.boolean() }
const lineageSchema = z.object({
  root: z.string(),
  direction: z.enum(directions),
  truncated: z.boolean(),
  nodes: z.array(
    z.discriminatedUnion('type', [
      z.object({
        type: z.literal('version'),
        ...nodeShape,
        kind: z.enum(kindNames),
        author: z.string(),
        createdAt: z.string(),
        description: z.string(),
        standing: standingSchema,
        promotedOver: z.number().int().optional(),
      }),
      z.object({
        type: z.literal('composite'),
        ...nodeShape,
        roles: z.record(z.string(), z.string()),
        createdAt: z.string(),
        standing: standingSchema,
      }),
      z.object({ type: z.literal('unknown'), ...nodeShape }),
    ]),
  ),
  edges: z.array(
    z.object({
      from: z.string(),
      to: z.string(),
      relation: z.enum(['parent', 'input', 'reference', 'role']),
      text: z.string().optional(),
    }),
  ),
})

const defaultDepth = 10
const defaultNodes = 200
const query = z.strictObject({
  direction: z.enum(directions).default('ancestors'),
  depth: z.coerce.number().int().min(1).max(lineageLimits.depth).default(defaultDepth),
  nodes: z.coerce.number().int().min(1).max(lineageLimits.nodes).default(defaultNodes),
  versions: z.stringbool().default(false),
})
const composite = z.object({ id: z.string().max(300) })
const version = z.object({ kind: z.string(), name: z.string(), version: z.string() })
const refOf = ({ kind, name, version: label }: z.infer<typeof version>): string =>
  `${parseKindName(kind)}/${name}@${label}`

/** Where versions and composites come from, where they were deployed, and which experiment became a release. */
export function lineageRoutes(app: App, deps: ApiDeps): void {
  const { lineage, ledger } = deps.store
  const response = { 200: lineageSchema }
  app.get(
    '/v1/composites/:id/lineage',
    { schema: { params: composite, querystring: query, response } },
    async (request) =>
      lineageView(await lineage.lineage({ composite: await namedComposite(ledger, request.params.id) }, request.query)),
  )
  app.get(
    '/v1/artifacts/:kind/:name/:version/lineage',
    { schema: { params: version, querystring: query, response } },
    async (request) => lineageView(await lineage.lineage({ version: refOf(request.params) }, request.query)),
  )
  deploymentRoutes(app, deps)
  promotionRoute(app, deps)
}

const lineageView = ({ nodes, edges, ...rest }: Lineage): z.infer<typeof lineageSchema> => ({
  ...rest,
  nodes: nodes.map((node) => (node.type === 'unknown' ? node : { ...node, standing: standingView(node.standing) })),
  edges: [...edges],
})

const deploymentsSchema = z.object({
  items: z.array(
    z.object({
      environment: z.string(),
      task: z.string(),
      seq: z.number().int(),
      at: z.number(),
      by: z.string(),
      cause: z.enum(['step', 'settle', 'rollback']),
      as: z.enum(['incumbent', 'candidate', 'revoked']),
      composite: digestSchema,
      previous: digestSchema.optional(),
      previousRef: z.string().optional(),
      releaseId: z.string().optional(),
      reason: z.string().optional(),
    }),
  ),
  next: z.string().optional(),
})

function deploymentRoutes(app: App, deps: ApiDeps): void {
  const { catalog, ledger, standings } = deps.store
  const paging = z.strictObject({
    limit: pageQuery.limit,
    after: z
      .string()
      .max(300)
      .regex(/^\d{1,16}:./, 'is no cursor: take it from `next` of the page before')
      .optional(),
  })
  const list = async (of: DeployedThing, page: z.infer<typeof paging>) => {
    const { items, ...rest } = await standings.deployments(of, { limit: page.limit, ...defined({ after: page.after }) })
    return { items: [...items], ...rest }
  }
  const response = { 200: deploymentsSchema }
  app.get(
    '/v1/artifacts/:kind/:name/:version/deployments',
    { schema: { params: version, querystring: paging, response } },
    async (request) => list({ version: (await catalog.version(refOf(request.params))).digest }, request.query),
  )
  app.get(
    '/v1/composites/:id/deployments',
    { schema: { params: composite, querystring: paging, response } },
    async (request) => {
      const { id } = await catalog.compositeRecord(await namedComposite(ledger, request.params.id))
      return list({ composite: id }, request.query)
    },
  )
}

const ref = z.string().min(1).max(300)
const maxNamed = 100

function promotionRoute(app: App, { store }: ApiDeps): void {
  const body = z.strictObject({
    from: z.array(ref).min(1).max(maxNamed),
    as: ref,
    description: z.string().trim().min(1).max(10_000),
    suite: ref.optional(),
    over: z.array(ref).max(maxNamed).optional(),
  })
  app.post(
    '/v1/promotions',
    { schema: { body, response: { 200: registeredSchema, 201: registeredSchema } } },
    async (request, reply) => {
      const { from, as, description, ...rest } = request.body
      const order = { from, as, description, ...defined(rest), by: request.principal.name }
      const registered = await store.promotions.promote(order)
      return reply.status(registered.created ? 201 : 200).send(registeredView(registered))
    },
  )
}
