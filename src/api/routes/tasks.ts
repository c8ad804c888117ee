import { z } from 'zod'
import { digestSchema } from '../../kinds/kind'
import type { ApiDeps, App } from '../app'
import { page, pageOf, pageQuery } from '../catalog-schemas'
import { onceKey } from '../idempotency'

const taskSchema = z.object({
  name: z.string(),
  roles: z.record(z.string(), z.string()),
  suite: z.string(),
  suiteDigest: digestSchema,
  policy: z.string(),
  policyDigest: digestSchema,
  supersedes: z.string().optional(),
})

const taskBody = z.strictObject({
  roles: z.record(z.string(), z.string()),
  suite: z.string(),
  policy: z.string(),
  supersedes: z.string().optional(),
})

export function taskRoutes(app: App, deps: ApiDeps): void {
  const { catalog } = deps.store
  const params = z.object({ task: z.string() })
  app.put('/v1/tasks/:task', { schema: { params, body: taskBody, response: { 200: taskSchema } } }, async (request) => {
    const { supersedes, ...body } = request.body
    const draft = { name: request.params.task, ...body, ...(supersedes === undefined ? {} : { supersedes }) }
    return catalog.putTask(draft, request.principal.name, onceKey(request, 'task'))
  })
  app.get(
    '/v1/tasks',
    { schema: { querystring: z.strictObject(pageQuery), response: { 200: pageOf(taskSchema) } } },
    async ({ query: { after = '', limit } }) => {
      const rest = (await catalog.tasks()).filter((task) => task.name > after)
      return page(rest, limit, (task) => task.name)
    },
  )
  app.get('/v1/tasks/:task', { schema: { params, response: { 200: taskSchema } } }, async ({ params: { task } }) =>
    catalog.task(task),
  )
}
