import { z } from 'zod'
import type { Standing } from '../../domain/standing'
import type { Digest } from '../../domain/version'
import { assert } from '../../errors'
import { parseKindName } from '../../kinds'
import { digestSchema } from '../../kinds/kind'
import type { ApiDeps, App } from '../app'
import {
  changeClassSchema,
  page,
  pageOf,
  pageQuery,
  registeredSchema,
  registeredView,
  standingVersionSchema,
  standingVersionSummarySchema,
  standingView,
  summaryView,
  versionView,
} from '../catalog-schemas'
import { defined } from '../defined'

const maxDrafts = 2000
/** A whole workspace folder is checked in one call, without the rows of its datasets. */
const checkBodyBytes = 32 * 1024 * 1024

/** A version to register. `content` is checked by its kind; `components.schemas` has the form of each. */
const draftSchema = z.strictObject({
  kind: z.string(),
  name: z.string(),
  semver: z.string(),
  content: z.unknown(),
  description: z.string(),
  /** Digests, or `kind/name@semver`. */
  parents: z.array(z.string().min(1).max(300)).optional(),
  provenance: z.record(z.string(), z.unknown()).optional(),
})

const taskDraftSchema = z.strictObject({
  name: z.string(),
  roles: z.record(z.string(), z.string()),
  suite: z.string(),
  policy: z.string(),
  supersedes: z.string().optional(),
})

const checkedSchema = z.object({
  ref: z.string(),
  outcome: z.enum(['new', 'unchanged', 'refused']),
  changeClass: changeClassSchema.optional(),
  digest: digestSchema.optional(),
  code: z.string().optional(),
  message: z.string().optional(),
  details: z.record(z.string(), z.unknown()).optional(),
})

export function artifactRoutes(app: App, deps: ApiDeps): void {
  registerRoutes(app, deps)
  readRoutes(app, deps)
}

function registerRoutes(app: App, deps: ApiDeps): void {
  const { catalog } = deps.store
  app.post(
    '/v1/artifacts',
    { schema: { body: draftSchema, response: { 200: registeredSchema, 201: registeredSchema } } },
    async (request, reply) => {
      const registered = await catalog.register(registration(request.body, request.principal.name))
      return reply.status(registered.created ? 201 : 200).send(registeredView(registered))
    },
  )
  app.post(
    '/v1/workspaces/check',
    {
      bodyLimit: checkBodyBytes,
      schema: {
        body: z.strictObject({
          artifacts: z.array(draftSchema).max(maxDrafts),
          tasks: z.array(taskDraftSchema).max(maxDrafts).default([]),
        }),
        response: { 200: z.object({ items: z.array(checkedSchema) }) },
      },
    },
    async (request) => {
      const drafts = request.body.artifacts.map((draft) => registration(draft, request.principal.name))
      const tasks = request.body.tasks.map(taskDraft)
      return {
        items: (await catalog.check(drafts, tasks)).map((item) => ({ ...item })) as z.infer<typeof checkedSchema>[],
      }
    },
  )
}

function readRoutes(app: App, deps: ApiDeps): void {
  const { catalog, standings } = deps.store
  const list = async (
    filter: { kind?: string | undefined; name?: string | undefined; digest?: Digest | undefined },
    query: ListQuery,
  ) => {
    const items = await catalog.summaries({
      ...(filter.kind === undefined ? {} : { kind: parseKindName(filter.kind) }),
      ...defined({ name: filter.name, digest: filter.digest }),
      ...(query.after === undefined ? {} : { after: query.after }),
      limit: query.limit + 1,
    })
    const { items: shown, ...next } = page(items.map(summaryView), query.limit, (item) => item.ref)
    const known = await standings.ofVersions(shown.map(({ digest }) => digest))
    return { items: shown.map((item) => ({ ...item, ...standingView(standingIn(known, item.digest)) })), ...next }
  }
  const listed = pageOf(standingVersionSummarySchema)
  const artifact = { kind: z.string(), name: z.string() }
  app.get(
    '/v1/artifacts',
    {
      schema: {
        querystring: z.strictObject({
          ...pageQuery,
          kind: z.string().optional(),
          name: z.string().optional(),
          digest: digestSchema.optional(),
        }),
        response: { 200: listed },
      },
    },
    ({ query }) => list(query, query),
  )
  app.get(
    '/v1/artifacts/:kind/:name',
    { schema: { params: z.object(artifact), querystring: z.strictObject(pageQuery), response: { 200: listed } } },
    ({ params, query }) => list(params, query),
  )
  app.get(
    '/v1/artifacts/:kind/:name/:version',
    { schema: { params: z.object({ ...artifact, version: z.string() }), response: { 200: standingVersionSchema } } },
    async ({ params: { kind, name, version } }) => {
      const found = await catalog.version(`${parseKindName(kind)}/${name}@${version}`)
      const known = await standings.ofVersions([found.digest])
      return { ...versionView(found), ...standingView(standingIn(known, found.digest)) }
    },
  )
}

function standingIn(known: ReadonlyMap<Digest, Standing>, digest: Digest): Standing {
  const standing = known.get(digest)
  assert(standing !== undefined, `the standing of ${digest} was asked for`)
  return standing
}

interface ListQuery {
  readonly after?: string | undefined
  readonly limit: number
}

function registration(draft: z.infer<typeof draftSchema>, author: string) {
  const { kind, parents, provenance, ...rest } = draft
  return {
    ...rest,
    author,
    kind: parseKindName(kind),
    ...(parents === undefined ? {} : { parents }),
    ...(provenance === undefined ? {} : { provenance }),
  }
}

function taskDraft({ supersedes, ...draft }: z.infer<typeof taskDraftSchema>) {
  return { ...draft, ...(supersedes === undefined ? {} : { supersedes }) }
}
