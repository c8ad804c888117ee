import { z } from 'zod'
import { resolve } from '../../domain/resolve'
import { SluiceError } from '../../errors'
import type { ApiDeps, App } from '../app'
import { liveOf } from '../live'
import { stampTime } from './snapshot'

const id = z.string().min(1).max(256)

const questionSchema = z.strictObject({
  environment: z.string().max(63),
  task: id,
  tenant: id,
  conversation: id,
  binding: z.string().max(64).optional(),
  /** Milliseconds since the epoch. */
  startedAt: z.number().min(0).max(1e14).optional(),
})

/** There may be something newer, such as a rollback, that this server could not read yet. */
const stale = z.literal(true).exactOptional()
const pin = z.object({ kind: z.string(), ref: z.string(), digest: z.string() })
const servedSchema = z.object({
  composite: z.object({
    id: z.string(),
    roles: z.record(z.string(), pin),
    contents: z.record(z.string(), z.unknown()),
  }),
  arm: z.enum(['candidate', 'incumbent', 'none']),
  reason: z.string(),
  binding: z.string(),
  seq: z.number().int(),
  tenantSeq: z.number().int(),
  slice: z.number().int(),
  stale,
})
const skippedSchema = z.object({ skip: z.string(), stale })

const description =
  'What serves a conversation, or why nothing does. `stale: true` says that the database did not confirm within the last seconds that ' +
  'there is nothing newer.'

/** The decision that SDKs make by themselves, for callers without one. */
export function resolveRoutes(app: App, deps: ApiDeps): void {
  const live = liveOf(app, deps)
  app.post(
    '/v1/resolve',
    {
      config: { access: 'app', neverKept: true },
      schema: { description, body: questionSchema, response: { 200: z.union([servedSchema, skippedSchema]) } },
    },
    async (request, reply) => {
      const { environment, startedAt, ...question } = request.body
      await live.assertEnvironment(environment)
      const { compiled } = await live.hub.current(environment)
      const latest = (await live.clock.now()) + compiled.leadMs
      if (question.binding === undefined && startedAt !== undefined && startedAt > latest) {
        throw new SluiceError('start_in_future', 'The conversation would begin in the future. Check the clock.')
      }
      await stampTime(live, reply)
      const answer = resolve(compiled, { ...question, startedAt })
      return live.hub.confirmed ? answer : { ...answer, stale: true as const }
    },
  )
}
