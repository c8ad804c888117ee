import { z } from 'zod'
import { resolve } from '../../domain/resolve'
import { outcomes } from '../../domain/telemetry'
import { SluiceError } from '../../errors'
import { digestSchema } from '../../kinds/kind'
import { type ExplainedRequest, explainRequest, loggedRequest } from '../../store/explainer'
import type { ApiDeps, App } from '../app'
import { type Live, liveOf } from '../live'
import { providerChangeSchema } from '../provider-schemas'

const text = z.string()
const number = z.number()

const loggedRequestSchema = z.object({
  requestId: text,
  environment: text,
  reporter: text,
  task: text,
  seq: number,
  slice: number,
  arm: z.enum(['candidate', 'incumbent', 'none']),
  composite: text,
  tenant: text,
  conversation: text,
  reason: text,
  binding: text,
  at: number,
  outcome: z.enum(outcomes),
  latencyMs: number,
  inputTokens: number,
  cachedTokens: number,
  outputTokens: number,
  costUsd: number,
  uncachedCostUsd: number,
  cacheAgeMs: number,
  headSeq: number,
  tenantSeq: number,
  stale: z.boolean(),
  model: text.optional(),
  fingerprint: text.optional(),
  branch: text.optional(),
})

const anything = z.record(z.string(), z.unknown())
const chainPlace = z.object({
  seq: number,
  hash: text,
  prev: text,
  length: number,
  holds: z.boolean(),
  problem: text.optional(),
})
const nextSchema = z.union([z.object({ composite: text, reason: text }), z.object({ skip: text })])
const captureState = z.discriminatedUnion('state', [
  z.object({ state: z.literal('kept'), at: number, expiresAt: number, bytes: number }),
  z.object({ state: z.literal('expired'), at: number, expiresAt: number }),
  z.object({ state: z.literal('erased'), at: number, by: text, reason: text }),
  z.object({ state: z.literal('none') }),
])

/** `entry` and `tenantEntry` are as their ledgers hold them. */
const explanationSchema = z.object({
  logged: loggedRequestSchema,
  agrees: z.boolean(),
  differences: z.array(text).readonly(),
  again: z.union([z.object({ composite: text, arm: text, reason: text }), z.object({ skip: text })]).optional(),
  entry: anything.optional(),
  tenantEntry: anything.optional(),
  bucket: number.optional(),
  roles: z.array(z.object({ role: text, kind: text, ref: text, digest: digestSchema, valid: z.boolean() })).readonly(),
  chains: z.object({ lane: chainPlace.optional(), tenant: chainPlace.optional() }),
  evidence: z
    .array(
      z.object({
        verdict: z.enum(['pass', 'fail', 'no_evidence']),
        verdictId: text,
        suite: digestSchema,
        at: number,
      }),
    )
    .readonly(),
  providerChanges: z.array(providerChangeSchema).readonly(),
  capture: captureState,
  missing: z
    .array(
      z.object({
        what: z.enum(['composite', 'content', 'evidence', 'input_and_output']),
        of: text,
        why: text,
      }),
    )
    .readonly(),
  next: nextSchema,
})

/** The request log, one served request at a time. */
export function requestRoutes(app: App, deps: ApiDeps): void {
  const live = liveOf(app, deps)
  app.get(
    '/v1/requests/:id',
    { schema: { params: z.object({ id: text.min(1).max(256) }), response: { 200: loggedRequestSchema } } },
    async (request) => {
      return loggedRequest(deps.store, request.params.id)
    },
  )
  app.get(
    '/v1/requests/:id/explanation',
    { schema: { params: z.object({ id: text.min(1).max(256) }), response: { 200: explanationSchema } } },
    async (request) => {
      const explained = await explainRequest(deps.store, request.params.id)
      const { entry, tenantEntry, ...rest } = explained
      return {
        ...rest,
        ...(entry === undefined ? {} : { entry: { ...entry } }),
        ...(tenantEntry === undefined ? {} : { tenantEntry: { ...tenantEntry } }),
        next: await nextOf(live, explained),
      }
    },
  )
}

/** What the conversation's next request would get; its binding may be older than anything that is served by today. */
async function nextOf({ hub }: Live, { logged }: ExplainedRequest): Promise<z.output<typeof nextSchema>> {
  const { environment, task, tenant, conversation, binding } = logged
  const { compiled } = await hub.current(environment)
  try {
    const next = resolve(compiled, { task, tenant, conversation, binding, allowBehind: true })
    return 'skip' in next ? next : { composite: next.composite.id, reason: next.reason }
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'unknown_task') return { skip: 'not_deployed' }
    throw error
  }
}
