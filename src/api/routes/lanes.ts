import { z } from 'zod'
import type { LaneState } from '../../domain/lane'
import type { Digest } from '../../domain/version'
import type { ApiDeps, App } from '../app'
import { defined } from '../defined'
import { onceKey, writeKey } from '../idempotency'
import { reason } from '../reason'
import { rollbackLane } from '../release-commands'

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'is not a digest')
const lane = z.strictObject({ env: z.string().min(1).max(63), task: z.string().min(1).max(200) })
const anything = z.record(z.string(), z.unknown())
const maxLifted = 100
const page = z.object({ items: z.array(anything) })

const servedBy = ({ incumbent, candidate }: LaneState): readonly Digest[] =>
  [incumbent, candidate].filter((composite) => composite !== undefined)

/** What runs where, the ledgers, and the switches of a lane: rollback, disable, enable, holds and vetoes. */
export function laneRoutes(app: App, deps: ApiDeps): void {
  const { store } = deps
  const environment = z.strictObject({ environment: z.string().max(63).optional() })
  app.get('/v1/lanes', { schema: { querystring: environment, response: { 200: page } } }, async (request) => ({
    items: (await store.ledger.lanes(request.query.environment)).map((one) => ({ ...one })),
  }))
  app.get(
    '/v1/environments/:env/tasks/:task/active',
    { schema: { params: lane, response: { 200: anything } } },
    async (request) => {
      const { env, task } = request.params
      await store.catalog.task(task)
      const state = await store.ledger.lane(env, task)
      const composite =
        state.incumbent === undefined ? {} : { composite: await store.catalog.composite(state.incumbent) }
      const reporters = await store.telemetry.reporters.list(env)
      const providers = await store.evidence.standing(servedBy(state))
      return { ...state, ...composite, ...providers, reporters: reporters.map((reporter) => ({ ...reporter })) }
    },
  )
  const range = z.strictObject({
    from: z.coerce.number().int().min(1).optional(),
    limit: z.coerce.number().int().min(1).max(1_000).optional(),
  })
  app.get(
    '/v1/environments/:env/tasks/:task/allocations',
    { schema: { params: lane, querystring: range, response: { 200: page } } },
    async (request) => {
      const { env, task } = request.params
      return { items: (await store.ledger.entries(env, task, defined(request.query))).map((entry) => ({ ...entry })) }
    },
  )
  switchRoutes(app, deps)
  holdRoutes(app, deps)
}

function switchRoutes(app: App, deps: ApiDeps): void {
  const body = z.strictObject({ reason, to: digest.optional(), base: z.number().int().min(0).optional() })
  app.post(
    '/v1/environments/:env/tasks/:task/rollback',
    { schema: { params: lane, body, response: { 200: anything } } },
    async (request) => {
      const { env, task } = request.params
      const { reason: why, to, base } = request.body
      const key = writeKey(request, 'rollback')
      const seen = base === undefined ? {} : { base }
      const order = { environment: env, task, by: request.principal.name, reason: why, key, ...seen }
      return { ...(await rollbackLane(deps, to === undefined ? order : { ...order, to: to as Digest })) }
    },
  )
  for (const [verb, disabled] of [
    ['disable', true],
    ['enable', false],
  ] as const) {
    app.post(
      `/v1/environments/:env/tasks/:task/${verb}`,
      { schema: { params: lane, body: z.strictObject({ reason }), response: { 200: anything } } },
      async (request) => {
        const { env, task } = request.params
        const order = {
          environment: env,
          task,
          key: writeKey(request, verb),
          disabled,
          by: request.principal.name,
          reason: request.body.reason,
        }
        const { entry, created } = await deps.store.ledger.setDisabled(order)
        return { seq: entry.seq, changed: created }
      },
    )
  }
}

function holdRoutes(app: App, { store }: ApiDeps): void {
  const response = { 200: page.extend({ lifted: z.array(anything) }) }
  app.get('/v1/holds', { schema: { response } }, async () => {
    const lanes = await store.ledger.lanes()
    const held = lanes.filter(({ hold, vetoes }) => hold !== undefined || vetoes.length > 0)
    const items = held.map(({ environment, task, hold, vetoes }) => ({
      ...{ environment, task, vetoes },
      ...(hold ? { hold } : {}),
    }))
    return { items, lifted: (await store.ledger.lifts(maxLifted)).map((lift) => ({ ...lift })) }
  })
  const { env: environment, task } = lane.shape
  const which = z.strictObject({ environment, task, reason, veto: digest.optional() })
  app.delete('/v1/holds', { schema: { querystring: which, response: { 200: anything } } }, async (request) => {
    const { veto, ...place } = request.query
    const order = { ...place, by: request.principal.name, ...(veto === undefined ? {} : { veto: veto as Digest }) }
    return { ...(await store.ledger.liftHold(order, onceKey(request, 'lift'))) }
  })
}
