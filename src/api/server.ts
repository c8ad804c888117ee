import fastify, { type FastifyError, type FastifyReply, type FastifyRequest } from 'fastify'
import {
  hasZodFastifySchemaValidationErrors,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod'
import { nestingFault, nestingText } from '../domain/nesting'
import { cutText } from '../domain/text'
import { type ErrorCode, SluiceError } from '../errors'
import { type Log, logFault } from '../log'
import type { ApiDeps, App } from './app'
import { installIdempotency } from './idempotency'
import { installOpenApi } from './openapi'
import { routes } from './routes'

const bodyLimitBytes = 4 * 1024 * 1024
/** Who was answered before its body was there, for want of a key say, has this long to read the answer. */
const lingerMs = 5_000
/** The routes bound what may stand in their paths; before them it is the bound of Node on all headers of a request. */
const maxParamLength = 16 * 1024
/** Of a body: what writes and hashes values goes into them level by level. */
const maxBodyLevels = 1000
/** Faults of a body that its refusal names, and how much of what it says of each: a body may have a fault in every word. */
const maxNamedFaults = 50
const maxFaultLength = 500

/**
 * The HTTP API: authentication, validation, problem+json errors (RFC 9457) and every route of the registry. Faults of the
 * server are written to the log of `deps`.
 */
export function buildServer(deps: ApiDeps): App {
  const { log } = deps
  const app = fastify({
    logger: false,
    bodyLimit: bodyLimitBytes,
    routerOptions: { maxParamLength },
    // A path that cannot be read comes to no route, and so not to the handler of their errors.
    frameworkErrors: (error, request, reply) => answerError(error, { request, reply, log }),
  }).withTypeProvider<ZodTypeProvider>()
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.setErrorHandler((error: FastifyError, request, reply) => answerError(error, { request, reply, log }))
  app.decorateRequest('principal')
  app.addHook('onRequest', (request) => authenticate(deps, request))
  app.addHook('preValidation', requireShallowBody)
  app.addHook('onResponse', endUnfinished)
  installIdempotency(app, deps.store.idempotency)
  installOpenApi(app)
  // Routes come in a plugin of their own, which is loaded after the one that collects them for the OpenAPI document.
  void app.register(async (scope) => {
    for (const register of routes) register(scope as App, deps)
  })
  return app
}

async function authenticate(deps: ApiDeps, request: FastifyRequest): Promise<void> {
  // At once: whoever has no key makes nobody read a body.
  if (request.is404) throw new SluiceError('not_found', `No resource at ${request.method} ${request.url}.`)
  const { access } = request.routeOptions.config
  if (access === 'public') return
  const key = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1]
  const found = key === undefined ? undefined : await deps.store.keys.find(key)
  if (!found) throw new SluiceError('unauthenticated', 'This call needs a valid API key in the authorization header.')
  if (access !== 'app' && found.role !== 'admin') {
    throw new SluiceError(
      'forbidden',
      `This call needs the role admin; the key ${found.name} has the role ${found.role}.`,
    )
  }
  request.principal = found
}

const isJsonObject = (body: unknown): boolean =>
  typeof body === 'object' && body !== null && [Object.prototype, Array.prototype].includes(Object.getPrototypeOf(body))

async function requireShallowBody({ body }: FastifyRequest): Promise<void> {
  // What is no JSON value (the stream of a file) is read by its route.
  if (!isJsonObject(body)) return
  const fault = nestingFault(body, maxBodyLevels)
  if (fault !== undefined) throw new SluiceError('invalid_request', `The body ${nestingText(fault, maxBodyLevels)}.`)
}

/** A byte of a body now and then would hold the connection for ever; at once, the answer would be lost to who still sends. */
async function endUnfinished({ raw }: FastifyRequest): Promise<void> {
  if (!raw.complete) setTimeout(() => raw.complete || raw.socket.destroy(), lingerMs).unref()
}

interface Faulty {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly log: Log | undefined
}

function answerError(error: unknown, { request, reply, log }: Faulty): void {
  const problem = problemOf(error)
  if (problem.status >= 500) {
    const route = `${request.method} ${request.routeOptions.url ?? ''}`
    logFault(log, error, { text: String(error), code: problem.code, route })
  }
  reply.status(problem.status).type('application/problem+json').send(JSON.stringify(problem))
}

interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: ErrorCode
  readonly detail: string
  readonly details: Readonly<Record<string, unknown>>
}

function problemOf(error: unknown): Problem {
  const known = asSluiceError(error)
  return {
    type: `https://sluice.dev/errors#${known.code}`,
    title: known.code.replaceAll('_', ' '),
    status: known.status,
    code: known.code,
    detail: known.message,
    details: known.details,
  }
}

function asSluiceError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error
  if (hasZodFastifySchemaValidationErrors(error)) {
    const fields = error.validation.slice(0, maxNamedFaults).map(({ instancePath, message = '' }) => ({
      path: cutText(instancePath, maxFaultLength),
      message: cutText(message, maxFaultLength),
    }))
    const rest = error.validation.length - fields.length
    const text = [
      ...fields.map((field) => `${field.path || 'body'}: ${field.message}`),
      ...(rest > 0 ? [`and ${rest} more`] : []),
    ].join('; ')
    return new SluiceError('invalid_request', `The request does not fit: ${text}.`, { fields })
  }
  const { statusCode, code, message } = error as FastifyError
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new SluiceError('payload_too_large', message)
  if (code === 'FST_ERR_CTP_INVALID_JSON_BODY') {
    return new SluiceError('invalid_request', 'The body is no JSON. Send one JSON object and correct its syntax.')
  }
  if (statusCode !== undefined && statusCode < 500) {
    return new SluiceError('invalid_request', /[.!?]$/.test(message) ? message : `${message}.`)
  }
  if (/^Mongo/.test((error as Error).name))
    return new SluiceError('store_unavailable', 'MongoDB does not answer as it should.')
  return new SluiceError('internal', 'An unexpected fault.')
}
