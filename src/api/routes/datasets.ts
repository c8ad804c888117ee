import { Readable } from 'node:stream'
import { z } from 'zod'
import { maxListedChanges } from '../../domain/row-change'
import type { Digest } from '../../domain/version'
import { maxDatasetRows } from '../../kinds/dataset'
import { digestSchema } from '../../kinds/kind'
import { maxMergedSets, maxPutRows } from '../../store/rows'
import type { ApiDeps, App } from '../app'
import { datasetRoot } from '../dataset-ref'

const rowSetSchema = z.object({
  root: digestSchema,
  count: z.number(),
  bytes: z.number(),
  columns: z.record(z.string(), z.object({ types: z.array(z.string()), required: z.boolean() })),
})

const putSchema = z.object({
  digests: z.array(digestSchema),
  missing: z.array(digestSchema),
  root: digestSchema.optional(),
})

const rowSchema = z.object({ digest: digestSchema, row: z.unknown() })
const rowsSchema = z.object({ items: z.array(rowSchema), next: z.string().optional() })

const sideSchema = { digest: digestSchema, row: z.unknown() }
const diffSchema = z.object({
  from: digestSchema,
  to: digestSchema,
  counts: z.object({ added: z.number(), removed: z.number(), changed: z.number(), unchanged: z.number() }),
  isWhole: z.boolean(),
  items: z.array(
    z.discriminatedUnion('change', [
      z.object({ change: z.literal('added'), ...sideSchema }),
      z.object({ change: z.literal('removed'), ...sideSchema }),
      z.object({
        change: z.literal('changed'),
        id: z.unknown(),
        before: z.object(sideSchema),
        after: z.object(sideSchema),
      }),
    ]),
  ),
  next: z.string().optional(),
})

const maxPage = 200
const defaultPage = 50
/** Rows of one page, together: one row may have megabytes. */
const maxPageBytes = 4_000_000
/** A cursor is the place of the next item. */
const pageOf = (places: number) => ({
  after: z.coerce.number().int().min(0).max(places).default(0),
  limit: z.coerce.number().int().min(1).max(maxPage).default(defaultPage),
})

export function datasetRoutes(app: App, deps: ApiDeps): void {
  writeRoutes(app, deps)
  readRoutes(app, deps)
}

/** Everything here is named by its content, so that a repetition needs no key to be harmless. */
function writeRoutes(app: App, deps: ApiDeps): void {
  const { catalog } = deps.store
  app.post(
    '/v1/datasets/rows',
    {
      config: { neverKept: true },
      schema: {
        // A row is checked once, by the store; which may also be given as the digest that it is stored under.
        body: z.strictObject({ rows: z.array(z.unknown()).min(1).max(maxPutRows) }),
        response: { 200: putSchema },
      },
    },
    async (request) => {
      const { digests, missing, root } = await catalog.putRows(request.body.rows)
      return { digests: [...digests], missing: [...missing], ...(root === undefined ? {} : { root }) }
    },
  )
  app.post(
    '/v1/datasets/merge',
    {
      config: { neverKept: true },
      schema: {
        body: z.strictObject({ roots: z.array(digestSchema).min(1).max(maxMergedSets) }),
        response: { 200: rowSetSchema },
      },
    },
    async (request) => view(await catalog.mergeSets(request.body.roots)),
  )
}

function readRoutes(app: App, deps: ApiDeps): void {
  const { catalog } = deps.store
  const ref = z.string().min(1).max(300)
  app.get(
    '/v1/datasets/diff',
    {
      schema: {
        querystring: z.strictObject({ from: ref, to: ref, ...pageOf(maxListedChanges) }),
        response: { 200: diffSchema },
      },
    },
    async ({ query }) => {
      const [from, to] = [await datasetRoot(catalog, query.from), await datasetRoot(catalog, query.to)]
      const { items, next, ...rest } = await catalog.diffRows(from, to, query)
      return { ...rest, items: [...items], ...(next === undefined ? {} : { next: String(next) }) }
    },
  )
  app.get(
    '/v1/datasets/:dataset',
    { schema: { params: z.object({ dataset: ref }), response: { 200: rowSetSchema } } },
    async ({ params }) => view(await catalog.rowSet(await datasetRoot(catalog, params.dataset))),
  )
  app.get(
    '/v1/datasets/:dataset/rows',
    {
      schema: {
        params: z.object({ dataset: ref }),
        querystring: z.strictObject(pageOf(maxDatasetRows)),
        response: { 200: rowsSchema },
      },
    },
    async ({ params, query, headers }, reply) => {
      const root = await datasetRoot(catalog, params.dataset)
      if (headers.accept !== linesType) return rowsPage(deps, root, query)
      const stream: unknown = Readable.from(lines(catalog.rowTexts(root, query.after)), { objectMode: false })
      return reply.type(linesType).send(stream as z.infer<typeof rowsSchema>)
    },
  )
}

const view = ({ columns, ...set }: Awaited<ReturnType<ApiDeps['store']['catalog']['rowSet']>>) => ({
  ...set,
  columns: Object.fromEntries(
    Object.entries(columns).map(([key, column]) => [key, { ...column, types: [...column.types] }]),
  ),
})

async function rowsPage(deps: ApiDeps, root: Digest, { after, limit }: { after: number; limit: number }) {
  const items: z.infer<typeof rowSchema>[] = []
  let bytes = 0
  for await (const { digest, text } of deps.store.catalog.rowTexts(root, after)) {
    if (items.length === limit || (items.length > 0 && bytes + text.length > maxPageBytes)) {
      return { items, next: String(after + items.length) }
    }
    items.push({ digest, row: JSON.parse(text) })
    bytes += text.length
  }
  return { items }
}

/** One row a line, all from `after` on, as fast as the reader takes them; it breaks off where the store fails. */
const linesType = 'application/x-ndjson'
const chunkLength = 65_536

async function* lines(rows: AsyncIterable<{ readonly text: string }>): AsyncGenerator<string> {
  let waiting = ''
  for await (const { text } of rows) {
    waiting += `${text}\n`
    if (waiting.length < chunkLength) continue
    yield waiting
    waiting = ''
  }
  if (waiting !== '') yield waiting
}
