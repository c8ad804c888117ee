import { randomUUID } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ulid } from 'ulid'
import { SluiceError } from '../errors'
import { digestOf } from '../store/canonical'
import { type Attempt, type Claim, type IdempotencyStore, leaseMs } from '../store/idempotency'
import type { App } from './app'

const mutating = ['POST', 'PUT', 'PATCH', 'DELETE']
const maxKeyLength = 200
const maxAnswerBytes = 2_000_000
/** A duplicate waits this long for the first call to end before it is told to ask again. */
const maxWaitMs = 10_000
const pauseMs = 50

declare module 'fastify' {
  interface FastifyRequest {
    attempt?: {
      readonly claim: Attempt
      readonly renewal: NodeJS.Timeout
      /** Of the first attempt under its key, milliseconds since the epoch. */
      readonly startedAt: number
    }
  }
  interface FastifyContextConfig {
    /** True: the answer carries a secret, or is a mere reading; it is never stored, and the key changes nothing. */
    neverKept?: true
  }
}

/**
 * The key of what this request writes, unique but for its repetitions: a call that is run again since its process died
 * before it answered finds what it wrote.
 */
export const writeKey = (request: FastifyRequest, action: string): string =>
  onceKey(request, action) ?? `${ulid()}/${action}`

/** The same, for what is kept only where it can be asked for again: without an Idempotency-Key there is none. */
export const onceKey = (request: FastifyRequest, action: string): string | undefined =>
  request.attempt === undefined ? undefined : `${request.attempt.claim.id}/${action}`

/** A fresh id, and the same one for the same call sent again: what it began is found under it. */
export function attemptId({ attempt }: FastifyRequest): string {
  if (attempt === undefined) return ulid()
  const digits = Buffer.from(attempt.claim.id.slice('sha256:'.length), 'hex')
  let place = 0
  return ulid(attempt.startedAt, () => (digits[place++ % digits.length] ?? 0) / 256)
}

/**
 * `Idempotency-Key` on every mutation: the same key and request by the same caller run once and get one answer, also
 * when they arrive at once. Answers that may turn out otherwise on another try (5xx, 429) are not kept.
 */
export function installIdempotency(app: App, store: IdempotencyStore): void {
  app.decorateRequest('attempt')
  app.addHook('preHandler', (request, reply) => begin(store, request, reply))
  app.addHook('onSend', async (request, reply, payload) => {
    await end(store, request, reply, payload)
    return payload
  })
  app.addHook('onResponse', async (request) => clearInterval(request.attempt?.renewal))
}

async function begin(store: IdempotencyStore, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const key = request.headers['idempotency-key']
  if (key === undefined || !mutating.includes(request.method) || request.principal === undefined) return undefined
  if (request.routeOptions.config.neverKept) return undefined
  const claim = attemptOf(request, key)
  const standing = await claimOrAnswer(store, claim)
  if (standing.state === 'answered') {
    const { answer } = standing
    return reply.header('idempotency-replayed', 'true').status(answer.status).type(answer.type).send(answer.body)
  }
  const renewal = setInterval(() => {
    // A renewal that fails costs no more than the lease; the call itself says so when the store is gone.
    store.renew(claim).catch(() => undefined)
  }, leaseMs / 3)
  renewal.unref()
  request.attempt = { claim, renewal, startedAt: standing.startedAt }
  return undefined
}

function attemptOf(request: FastifyRequest, key: string | string[]): Attempt {
  if (typeof key !== 'string' || key === '' || key.length > maxKeyLength) {
    throw new SluiceError('invalid_request', `Idempotency-Key takes one text of 1 to ${maxKeyLength} characters.`)
  }
  const { method, url, body = null } = request
  return {
    id: digestOf({ caller: request.principal.name, role: request.principal.role, key }),
    request: digestOf({ method, url, body }),
    owner: randomUUID(),
  }
}

async function claimOrAnswer(
  store: IdempotencyStore,
  attempt: Attempt,
): Promise<Extract<Claim, { readonly state: 'run' | 'answered' }>> {
  const waitedFor = performance.now() + maxWaitMs
  while (performance.now() < waitedFor) {
    const claim = await store.claim(attempt)
    if (claim.state === 'run' || claim.state === 'answered') return claim
    if (claim.state === 'conflict') {
      throw new SluiceError('idempotency_conflict', 'This Idempotency-Key was used for another request before.')
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
  throw new SluiceError('request_in_progress', 'The first call with this Idempotency-Key has not ended yet.')
}

async function end(store: IdempotencyStore, request: FastifyRequest, reply: FastifyReply, payload: unknown) {
  if (request.attempt === undefined) return
  const { claim, renewal } = request.attempt
  clearInterval(renewal)
  const isFinal = reply.statusCode < 500 && reply.statusCode !== 429
  const isText = payload === undefined || payload === null || typeof payload === 'string'
  const body = typeof payload === 'string' ? payload : ''
  if (!isFinal || !isText || Buffer.byteLength(body) > maxAnswerBytes) return store.release(claim)
  const type = String(reply.getHeader('content-type') ?? 'application/json; charset=utf-8')
  await store.answer(claim, { status: reply.statusCode, type, body })
}
