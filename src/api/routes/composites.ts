import { z } from 'zod'
import type { Digest } from '../../domain/version'
import { SluiceError } from '../../errors'
import type { ApiDeps, App } from '../app'
import { compositeSchema, pinSchema } from '../catalog-schemas'
import { compositeOfRef } from '../composite-ref'

const servedSchema = z.object({
  ...compositeSchema.shape,
  contents: z.record(z.string(), z.unknown()),
  closure: z.record(z.string(), z.unknown()).optional(),
})

/** Each pin with what the stored content says of it; `valid` where all agree with the id. */
const verificationSchema = z.object({
  id: z.string(),
  valid: z.boolean(),
  computed: z.string(),
  roles: z.array(z.object({ role: z.string(), ...pinSchema.shape, valid: z.boolean() })),
})

export function compositeRoutes(app: App, deps: ApiDeps): void {
  const { catalog } = deps.store
  app.post(
    '/v1/composites',
    {
      schema: {
        body: z.strictObject({ roles: z.record(z.string(), z.string()) }),
        response: { 200: compositeSchema },
      },
    },
    async ({ body }) => catalog.commitComposite(body.roles),
  )
  const params = z.object({ id: z.string().max(300) })
  const named = async (text: string): Promise<Digest> => {
    const id = await compositeOfRef(deps.store.ledger, text)
    if (id !== undefined) return id
    throw new SluiceError(
      'malformed_ref',
      `${text} is no composite: write sha256:…, task@sha256:… or task@environment.`,
    )
  }
  app.get('/v1/composites/:id', { schema: { params, response: { 200: servedSchema } } }, async ({ params: { id } }) =>
    catalog.composite(await named(id)),
  )
  app.get(
    '/v1/composites/:id/verification',
    { schema: { params, response: { 200: verificationSchema } } },
    async ({ params: { id } }) => {
      const { roles, ...rest } = await catalog.verifyComposite(await named(id))
      return { ...rest, roles: [...roles] }
    },
  )
}
