import { z } from 'zod'
import { digestSchema } from '../../kinds/kind'
import type { ApiDeps, App } from '../app'
import { onceKey } from '../idempotency'
import { providerChangeSchema, suspectedChangeSchema } from '../provider-schemas'
import { reason } from '../reason'

/** Changes of what providers return: the certain ones, the suspected ones, and a person's word on the latter. */
export function providerRoutes(app: App, { store }: ApiDeps): void {
  const query = z.strictObject({ composite: digestSchema.optional() })
  const listed = z.object({
    changes: z.array(providerChangeSchema.extend({ renewed: z.boolean() })).readonly(),
    suspected: z.array(suspectedChangeSchema).readonly(),
  })
  app.get('/v1/provider-changes', { schema: { querystring: query, response: { 200: listed } } }, async (request) => {
    const { composite } = request.query
    const composites = composite === undefined ? undefined : [composite]
    const changes = await store.providers.changes(composites === undefined ? {} : { composites })
    const { providerChanges } = await store.evidence.standing(changes.map((change) => change.composite))
    const isVoid = (one: string) => providerChanges.some((change) => change.composite === one)
    return {
      changes: changes.map((change) => ({ ...change, renewed: !isVoid(change.composite) })),
      suspected: await store.providers.suspected(composites),
    }
  })
  const params = z.strictObject({ id: digestSchema })
  const body = z.strictObject({ reason })
  const settled = z.object({ id: digestSchema, confirmed: z.boolean() })
  for (const [verb, confirmed] of [
    ['confirm', true],
    ['dismiss', false],
  ] as const) {
    app.post(
      `/v1/provider-changes/:id/${verb}`,
      { schema: { params, body, response: { 200: settled } } },
      async (request) => {
        const { id } = request.params
        const author = { by: request.principal.name, reason: request.body.reason }
        await store.providers.settle(id, confirmed, author, onceKey(request, verb))
        return { id, confirmed }
      },
    )
  }
}
