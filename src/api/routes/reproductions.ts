import { z } from 'zod'
import { SluiceError } from '../../errors'
import { digestSchema } from '../../kinds/kind'
import { type Log, logFault } from '../../log'
import { prepareReproduction, runReproduction } from '../../store/reproduce'
import type { Reproduction } from '../../store/reproductions'
import type { Store } from '../../store/store'
import type { ApiDeps, App } from '../app'
import { attemptId } from '../idempotency'
import { pairSchema } from '../provider-schemas'

/** Reproductions that one server runs at the same time; further ones are told to come back. */
const maxRunning = 4
const maxRepeats = 200
export const reproductionDefaults = { repeats: 20, alpha: 0.05, budgetUsd: 1 } as const
/** A run without progress for so long has lost its process. */
const silentMs = 150_000
const progressEveryMs = 500

const id = z.string().min(1).max(256)
const share = z.number()
const fieldSchema = z.object({
  field: z.string(),
  kind: z.enum(['number', 'category', 'text', 'not_judged']),
  matches: share,
  pValue: share,
})
const findingSchema = z.object({
  verdict: z.enum(['fits', 'does_not_fit', 'cannot_tell']),
  alpha: share,
  reasons: z.array(z.string()).readonly(),
  belonging: z
    .object({
      repeats: z.number(),
      fields: z.array(fieldSchema).readonly(),
      matches: share,
      asUnusual: z.number(),
      pValue: share,
      leastPValue: share,
      typicalAtLeast: share,
    })
    .optional(),
  spread: z.object({ cases: z.number(), outputs: z.number(), own: share, ofCases: share, pValue: share }).optional(),
  noticesBelow: share.optional(),
})
const reproductionSchema = z.object({
  id: z.string(),
  requestId: z.string(),
  composite: digestSchema,
  by: z.string(),
  state: z.enum(['running', 'done', 'failed', 'cancelled']),
  interrupted: z.boolean(),
  repeats: z.number(),
  alpha: share,
  budgetUsd: z.number(),
  seed: z.number().optional(),
  inputFrom: z.enum(['captured', 'given']),
  progress: z.object({ done: z.number(), paidUsd: z.number() }),
  startedAt: z.number(),
  updatedAt: z.number(),
  result: z
    .object({
      finding: findingSchema,
      validRepeats: z.number(),
      failedCalls: z.number(),
      provider: z.object({
        same: z.enum(['same', 'changed', 'unknown']),
        logged: pairSchema,
        seen: z.array(pairSchema.extend({ repeats: z.number() })).readonly(),
      }),
      missing: z.array(z.string()).readonly(),
    })
    .optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
})

const bodySchema = z.strictObject({
  repeats: z.number().int().min(1).max(maxRepeats).default(reproductionDefaults.repeats),
  alpha: z.number().min(0.001).max(0.5).default(reproductionDefaults.alpha),
  budgetUsd: z.number().positive().max(1_000).default(reproductionDefaults.budgetUsd),
  input: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  output: z.unknown().optional(),
})

/** Running the pinned composite of a served request again, in the background of the server. */
export function reproductionRoutes(app: App, deps: ApiDeps): void {
  const { store } = deps
  const runner = createRunner(deps)
  app.addHook('onClose', () => runner.stop())
  app.post(
    '/v1/requests/:id/reproductions',
    { schema: { params: z.strictObject({ id }), body: bodySchema, response: { 202: reproductionSchema } } },
    async (request, reply) => {
      const { params, body, principal } = request
      const { input, output, ...sizes } = body
      if (input === undefined && output !== undefined) {
        throw new SluiceError('invalid_request', 'An output is compared with what its input gives: send both.')
      }
      const given = input === undefined ? {} : { given: { input, output } }
      const about = { requestId: params.id, by: principal.name, id: attemptId(request) }
      const run = await runner.start({ ...sizes, ...given, ...about })
      return reply.status(202).send({ ...run, interrupted: false })
    },
  )
  app.get(
    '/v1/reproductions/:id',
    { schema: { params: z.strictObject({ id }), response: { 200: reproductionSchema } } },
    async ({ params }) => {
      const run = await store.reproductions.get(params.id)
      const silentFor = (await store.database.now()) - run.updatedAt
      return { ...run, interrupted: run.state === 'running' && silentFor > silentMs }
    },
  )
}

type Order = Parameters<typeof prepareReproduction>[2]

function createRunner({ store, endpoints, log }: ApiDeps) {
  const running = new Map<string, Promise<void>>()
  const stopping = new AbortController()
  return {
    /** Codes of `prepareReproduction`, and rate_limited. */
    async start(order: Order): Promise<Reproduction> {
      if (running.size >= maxRunning) {
        throw new SluiceError('rate_limited', `${maxRunning} reproductions are running; wait for one to end.`)
      }
      // The place is taken before anything is awaited: calls at the same moment count each other.
      running.set(order.id, Promise.resolve())
      try {
        const prepared = await prepareReproduction(store, endpoints, order)
        const { seed } = prepared.engine
        const { id: runId, requestId, by, repeats, alpha, budgetUsd } = order
        const run = await store.reproductions.begin({
          ...{ id: runId, requestId, by, repeats, alpha, budgetUsd },
          composite: prepared.logged.composite,
          inputFrom: prepared.inputFrom,
          ...(seed === undefined ? {} : { seed }),
        })
        if (run.state !== 'running') {
          running.delete(order.id)
          return run
        }
        running.set(
          order.id,
          follow(store, prepared, { signal: stopping.signal, log }).finally(() => running.delete(order.id)),
        )
        return run
      } catch (error) {
        running.delete(order.id)
        throw error
      }
    },
    async stop(): Promise<void> {
      stopping.abort(new SluiceError('engine_failed', 'The server is stopping.'))
      await Promise.all(running.values())
    },
  }
}

/** What goes wrong is written into the run, where whoever asked for it reads it. Never rejects. */
async function follow(
  store: Store,
  prepared: Awaited<ReturnType<typeof prepareReproduction>>,
  { signal, log }: { readonly signal: AbortSignal; readonly log: Log | undefined },
): Promise<void> {
  const { id: runId } = prepared.order
  let savedAt = Number.NEGATIVE_INFINITY
  const onProgress = (progress: Reproduction['progress']): void => {
    if (performance.now() - savedAt < progressEveryMs) return
    savedAt = performance.now()
    // Progress is for people only: a write that fails must not fail the run.
    void store.reproductions.progress(runId, progress).catch(() => undefined)
  }
  try {
    await store.reproductions.finish(runId, await runReproduction(store, prepared, { signal, onProgress }))
  } catch (error) {
    const known = error instanceof SluiceError
    // The run names no more than a code; why is for whoever reads the log.
    if (!known) logFault(log, error, { text: 'a reproduction ended on an unexpected fault', runId })
    const { code, message } = known ? error : new SluiceError('internal', 'An unexpected fault.')
    const state = signal.aborted ? 'cancelled' : 'failed'
    await store.reproductions.end(runId, state, { code, message }).catch((unwritten: unknown) => {
      logFault(log, unwritten, { text: 'the end of a reproduction was not written; it is shown as interrupted', runId })
    })
  }
}
