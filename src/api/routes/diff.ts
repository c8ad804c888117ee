import { z } from 'zod'
import type { ApiDeps, App } from '../app'
import { changeClassSchema, changeSchema, kindSchema } from '../catalog-schemas'
import { compositeOfRef } from '../composite-ref'

const roleSchema = z.object({
  role: z.string(),
  kind: kindSchema,
  from: z.string().optional(),
  to: z.string().optional(),
  changeClass: changeClassSchema,
  changes: z.array(changeSchema),
})

/** Two versions of one kind answer `changes`, two composites answer `roles`. */
const diffSchema = z.object({
  from: z.string(),
  to: z.string(),
  changeClass: changeClassSchema,
  changes: z.array(changeSchema).optional(),
  roles: z.array(roleSchema).optional(),
})

export function diffRoutes(app: App, deps: ApiDeps): void {
  const { catalog, ledger } = deps.store
  const ref = z.string().min(1).max(300)
  app.get(
    '/v1/diff',
    { schema: { querystring: z.strictObject({ from: ref, to: ref }), response: { 200: diffSchema } } },
    async ({ query: { from, to } }) => {
      const [before, after] = [await compositeOfRef(ledger, from), await compositeOfRef(ledger, to)]
      if (before !== undefined && after !== undefined) {
        const { roles, ...rest } = await catalog.diffComposites(before, after)
        return { ...rest, roles: roles.map((role) => ({ ...role, changes: [...role.changes] })) }
      }
      const { changes, ...rest } = await catalog.diff(from, to)
      return { ...rest, changes: [...changes] }
    },
  )
}
