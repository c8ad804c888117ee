import { Readable } from 'node:stream'
import { z } from 'zod'
import { kindNames } from '../../domain/version'
import { assert, SluiceError } from '../../errors'
import { digestSchema } from '../../kinds/kind'
import type { ApiDeps, App } from '../app'
import { whileAsked } from '../caller'
import { compositeRecordSchema, pinSchema, recordView, standingCompositeSchema, standingView } from '../catalog-schemas'
import { namedComposite } from '../composite-ref'

const servedSchema = z.object({
  ...standingCompositeSchema.shape,
  contents: z.record(z.string(), z.unknown()),
  closure: z.record(z.string(), z.unknown()).optional(),
})

/** Each part with what is stored of it; `valid` where all agree with the id. */
const verificationSchema = z.object({
  id: z.string(),
  valid: z.boolean(),
  computed: z.string(),
  roles: z.array(z.object({ role: z.string(), ...pinSchema.shape, valid: z.boolean() })),
  parts: z.array(
    z.object({
      kind: z.enum(kindNames),
      ref: z.string(),
      digest: digestSchema,
      state: z.enum(['ok', 'altered', 'missing', 'not_imported', 'dropped']),
      rows: z.number().int().optional(),
      problem: z.string().optional(),
    }),
  ),
})

const importedSchema = z.object({
  composite: digestSchema,
  created: z.boolean(),
  versions: z.array(z.object({ ref: z.string(), digest: digestSchema, created: z.boolean() })),
  rows: z.number().int(),
  file: digestSchema,
})

const fileType = 'application/x-ndjson'
const params = z.object({ id: z.string().max(300) })

export function compositeRoutes(app: App, deps: ApiDeps): void {
  readRoutes(app, deps)
  fileRoutes(app, deps)
}

function readRoutes(app: App, deps: ApiDeps): void {
  const { catalog, ledger, standings } = deps.store
  app.post(
    '/v1/composites',
    {
      schema: {
        body: z.strictObject({
          roles: z.record(z.string(), z.string()),
          parents: z.array(digestSchema).max(100).default([]),
        }),
        response: { 200: compositeRecordSchema },
      },
    },
    async ({ body }) => recordView(await catalog.commitComposite(body.roles, body.parents)),
  )
  app.get('/v1/composites/:id', { schema: { params, response: { 200: servedSchema } } }, async (request) => {
    const id = await namedComposite(ledger, request.params.id)
    const [served, record, known] = await Promise.all([
      catalog.composite(id),
      catalog.compositeRecord(id),
      standings.ofComposites([id]),
    ])
    const standing = known.get(id)
    assert(standing !== undefined, `the standing of ${id} was asked for`)
    return { ...served, ...recordView(record), ...standingView(standing) }
  })
  app.get(
    '/v1/composites/:id/verification',
    { schema: { params, response: { 200: verificationSchema } } },
    async (request, reply) => {
      const id = await namedComposite(ledger, request.params.id)
      const verified = await whileAsked(reply, (signal) => catalog.verifyComposite(id, { signal }))
      const { roles, parts, ...rest } = verified
      return { ...rest, roles: [...roles], parts: [...parts] }
    },
  )
}

/** A composite as one file, line by line in both directions: neither side holds the whole of it. */
function fileRoutes(app: App, deps: ApiDeps): void {
  const { catalog, ledger } = deps.store
  const rows = z.strictObject({ rows: z.stringbool().default(false) })
  app.get('/v1/composites/:id/export', { schema: { params, querystring: rows } }, async (request, reply) => {
    const id = await namedComposite(ledger, request.params.id)
    const lines = await catalog.exportComposite(id, { rows: request.query.rows })
    return reply.type(fileType).send(Readable.from(lines))
  })
  app.addContentTypeParser(fileType, (_request, payload, done) => done(null, payload))
  const prefix = z.strictObject({ prefix: z.string().min(1).max(50).optional() })
  app.post(
    '/v1/composites/import',
    {
      config: { neverKept: true },
      schema: { querystring: prefix, consumes: [fileType], response: { 200: importedSchema, 201: importedSchema } },
    },
    async (request, reply) => {
      const { prefix: before } = request.query
      const options = { by: request.principal.name, ...(before === undefined ? {} : { prefix: before }) }
      const { versions, ...rest } = await importFrom(request.body, (bytes) => catalog.importComposite(bytes, options))
      return reply.status(rest.created ? 201 : 200).send({ ...rest, versions: [...versions] })
    },
  )
}

/** After a refusal the rest is read and dropped: a caller that still sends would not see the answer. */
async function importFrom<T>(body: unknown, work: (bytes: AsyncIterable<Uint8Array>) => Promise<T>): Promise<T> {
  if (!(body instanceof Readable)) {
    throw new SluiceError('invalid_request', `Send the file as the body, with the content type ${fileType}.`)
  }
  try {
    return await work(chunksOf(body))
  } catch (error) {
    for await (const _chunk of chunksOf(body)) {
      // Dropped.
    }
    throw error
  }
}

/** Ending early leaves the stream open, so that what is left can still be read. */
const chunksOf = (body: Readable): AsyncIterable<Buffer> => body.iterator({ destroyOnReturn: false })
