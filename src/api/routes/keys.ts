import { z } from 'zod'
import { SluiceError } from '../../errors'
import { digestSchema } from '../../kinds/kind'
import { type ApiDeps, type App, roles } from '../app'
import { page, pageOf, pageQuery } from '../catalog-schemas'
import { defined } from '../defined'

const role = z.enum(roles)
const name = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9 ._@/-]{0,62}$/,
    'takes 1 to 63 letters, digits, spaces and . _ @ / -, beginning with one of the first two',
  )
const known = z.object({
  id: digestSchema,
  name: z.string(),
  role,
  createdAt: z.number(),
  createdBy: z.string().optional(),
  revokedAt: z.number().optional(),
  revokedBy: z.string().optional(),
})
const putText =
  'Takes an API key that the caller drew, by its SHA-256: the key itself is never sent here but to be used. The name signs what is done ' +
  'with it; keys of one name and role count as one caller, so that a key can be replaced while the old one still works.'
const revokeText =
  'Revokes an API key for good: its next call is refused, and a stream that it opened ends within seconds. The key of the call itself is not revoked.'

/** API keys: making them known, listing and revoking them. */
export function keyRoutes(app: App, { store: { keys } }: ApiDeps): void {
  const params = z.strictObject({ id: digestSchema })
  const put = { description: putText, params, body: z.strictObject({ name, role }), response: { 200: known } }
  app.put('/v1/keys/:id', { schema: put }, ({ params: { id }, body, principal }) =>
    keys.put({ id, ...body }, principal.name),
  )
  const paging = z.strictObject({ ...pageQuery, after: digestSchema.optional() })
  app.get('/v1/keys', { schema: { querystring: paging, response: { 200: pageOf(known) } } }, async ({ query }) =>
    page(await keys.list({ ...defined(query), limit: query.limit + 1 }), query.limit, ({ id }) => id),
  )
  const schema = { description: revokeText, params, response: { 200: known } }
  app.delete('/v1/keys/:id', { schema }, async ({ params, principal }) => {
    if (params.id === principal.id) {
      const text = 'This is the key of this very call. Make another admin key, and revoke this one with that.'
      throw new SluiceError('invalid_request', text)
    }
    return keys.revoke(params.id, principal.name)
  })
}
